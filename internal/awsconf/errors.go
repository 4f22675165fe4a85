package awsconf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Error is a failed call of AWS, told for the person who has to do something about it.
type Error struct {
	Call     string   // the service's name of the call with its IAM prefix: sqs:ReceiveMessage
	Resource string   // what it was about: a queue's URL, s3://bucket/key, a topic's ARN
	Needs    []string // IAM actions that the call needs
	Err      error
}

// Failed wraps the error of a call; nil stays nil. What ctx ended stays ctx's error.
func Failed(err error, call, resource string, needs ...string) error {
	if err == nil {
		return nil
	}
	return &Error{Call: call, Resource: resource, Needs: append([]string{call}, needs...), Err: err}
}

func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	what := fmt.Sprintf("%s %s: ", e.Call, e.Resource)
	switch Classify(e.Err) {
	case Denied:
		return what + short(e.Err) + "; the identity needs " + strings.Join(e.Needs, ", ")
	case NotFound:
		return what + short(e.Err) + "; look at the name, the account and the region"
	case Credentials:
		return what + "no usable credentials: " + short(e.Err)
	case Network:
		return what + "the service can not be reached: " + short(e.Err)
	}
	return what + short(e.Err)
}

// short leaves out what the SDK says about attempts and request ids.
func short(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if api.ErrorMessage() == "" {
			return api.ErrorCode()
		}
		return api.ErrorCode() + ": " + strings.TrimRight(api.ErrorMessage(), ". ")
	}
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}

// Class is what an error of AWS means.
type Class int

const (
	Other       Class = iota
	Denied            // the identity may not
	NotFound          // there is no such queue, bucket, object, topic
	Credentials       // there are none, or they have expired
	Throttled         // too many calls
	Network           // no answer
	Ended             // the caller's context has ended
)

// classes of error codes of all services used here.
var classes = map[string]Class{
	"AccessDenied": Denied, "AccessDeniedException": Denied, "AuthorizationError": Denied, "AuthorizationErrorException": Denied,
	"UnauthorizedOperation": Denied, "Forbidden": Denied, "KMSAccessDenied": Denied, "KMS.AccessDeniedException": Denied,
	"AllAccessDisabled": Denied, "KMSAccessDeniedException": Denied, "OperationNotPermitted": Denied, "OperationNotPermittedException": Denied,

	"NoSuchKey": NotFound, "NoSuchBucket": NotFound, "NoSuchVersion": NotFound, "NotFound": NotFound, "NotFoundException": NotFound,
	"ResourceNotFoundException": NotFound, "QueueDoesNotExist": NotFound, "AWS.SimpleQueueService.NonExistentQueue": NotFound,

	"ExpiredToken": Credentials, "ExpiredTokenException": Credentials, "InvalidClientTokenId": Credentials, "TokenRefreshRequired": Credentials,
	"UnrecognizedClientException": Credentials, "InvalidAccessKeyId": Credentials, "SignatureDoesNotMatch": Credentials,
	"InvalidToken": Credentials, "RequestExpired": Credentials, "InvalidSignatureException": Credentials,

	"Throttling": Throttled, "ThrottlingException": Throttled, "ThrottledException": Throttled, "Throttled": Throttled,
	"RequestThrottled": Throttled, "RequestLimitExceeded": Throttled, "SlowDown": Throttled, "TooManyRequestsException": Throttled,
	"ProvisionedThroughputExceededException": Throttled, "LimitExceededException": Throttled, "KMSThrottling": Throttled,
	"KMSThrottlingException": Throttled, "RequestThrottledException": Throttled, "PriorRequestNotComplete": Throttled,
}

// Classify tells what kind of failure err is.
func Classify(err error) Class {
	if err == nil {
		return Other
	}
	if errors.Is(err, context.Canceled) {
		return Ended
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if class, ok := classes[api.ErrorCode()]; ok {
			return class
		}
	}
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return Network
	}
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok && answer.HTTPStatusCode() != 0 {
		switch answer.HTTPStatusCode() {
		case http.StatusForbidden:
			return Denied
		case http.StatusNotFound:
			return NotFound
		case http.StatusTooManyRequests:
			return Throttled
		}
		return Other
	}
	if strings.Contains(err.Error(), "failed to refresh cached credentials") || strings.Contains(err.Error(), "get identity") {
		return Credentials
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return Network
	}
	if _, ok := errors.AsType[*smithy.CanceledError](err); ok {
		return Ended
	}
	return Other
}

// Passing reports whether a failure may pass without anything being changed about what was asked for: permissions that can be
// given, credentials that can be renewed, throttling, no network.
func Passing(err error) bool {
	switch Classify(err) {
	case Denied, Credentials, Throttled, Network, Ended:
		return true
	}
	return false
}
