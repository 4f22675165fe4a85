package awsconf_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/internal/conf"
)

func TestMistakes(t *testing.T) {
	c := awsconf.Config{RoleARN: "role/x", ExternalID: "e", RoleSessionName: "a b", Endpoint: "host:1", STSEndpoint: "ftp://x"}
	var fields []string
	for _, err := range c.Mistakes() {
		var e *conf.Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		fields = append(fields, e.Field)
	}
	for _, want := range []string{"role_arn", "role_session_name", "endpoint", "sts_endpoint"} {
		if !strings.Contains(strings.Join(fields, " "), want) {
			t.Errorf("%s is not complained about: %v", want, fields)
		}
	}
	c = awsconf.Config{ExternalID: "e"}
	if len(c.Mistakes()) != 1 {
		t.Error("an external id without a role passes")
	}
}

func TestNoRegion(t *testing.T) {
	awstest.Environment(t)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	_, err := new(awsconf.Config).Load(t.Context())
	if err == nil || !strings.Contains(err.Error(), "region") {
		t.Fatalf("got %v", err)
	}
}

// TestErrors has the errors of the services themselves, and of what is between.
func TestErrors(t *testing.T) {
	server := awstest.Start(t)
	proxy := awstest.NewProxy(t, server.URL)
	load := func(c awsconf.Config) aws.Config {
		loaded, err := c.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		loaded.RetryMaxAttempts = 1
		return loaded
	}
	loaded := load(awsconf.Config{Endpoint: proxy.URL})
	getObject := func(ctx context.Context) error {
		_, err := s3.NewFromConfig(loaded, func(o *s3.Options) { o.UsePathStyle = true }).
			GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("no-such-bucket"), Key: aws.String("k")})
		return awsconf.Failed(err, "s3:GetObject", "s3://no-such-bucket/k", "kms:Decrypt (encrypted buckets)")
	}
	receive := func(ctx context.Context) error {
		_, err := sqs.NewFromConfig(loaded).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String(proxy.URL + "/" + awstest.Account + "/none")})
		return awsconf.Failed(err, "sqs:ReceiveMessage", "the queue")
	}
	publish := func(ctx context.Context) error {
		_, err := sns.NewFromConfig(loaded).Publish(ctx, &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:eu-west-1:123456789012:none"), Message: aws.String("m")})
		return awsconf.Failed(err, "sns:Publish", "the topic")
	}
	answer := func(status int, code string) awstest.Fault { return awstest.Fault{Status: status, Code: code} }
	for name, c := range map[string]struct {
		fault awstest.Fault
		call  func(context.Context) error
		class awsconf.Class
		text  string
	}{
		"no bucket":   {awstest.Fault{}, getObject, awsconf.NotFound, "s3:GetObject s3://no-such-bucket/k: NoSuchBucket"},
		"no queue":    {awstest.Fault{}, receive, awsconf.NotFound, "sqs:ReceiveMessage the queue: "},
		"no topic":    {awstest.Fault{}, publish, awsconf.NotFound, "sns:Publish the topic: NotFound"},
		"forbidden":   {answer(403, "AccessDenied"), getObject, awsconf.Denied, "the identity needs s3:GetObject, kms:Decrypt"},
		"throttled":   {answer(400, "RequestThrottled"), receive, awsconf.Throttled, "RequestThrottled"},
		"slow down":   {answer(503, "SlowDown"), getObject, awsconf.Throttled, "SlowDown"},
		"expired":     {answer(403, "ExpiredToken"), publish, awsconf.Credentials, "no usable credentials: ExpiredToken"},
		"broken":      {answer(500, "InternalError"), publish, awsconf.Other, "InternalError"},
		"cut off":     {awstest.Fault{Drop: true}, publish, awsconf.Network, "can not be reached"},
		"half answer": {awstest.Fault{Cut: 10}, publish, awsconf.NotFound, "sns:Publish"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy.Fail(func(awstest.Call) awstest.Fault { return c.fault })
			err := c.call(t.Context())
			if err == nil || awsconf.Classify(err) != c.class || !strings.Contains(err.Error(), c.text) {
				t.Errorf("class %v: %v", awsconf.Classify(err), err)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		_, err = sqs.NewFromConfig(load(awsconf.Config{Endpoint: "http://" + l.Addr().String()})).ListQueues(t.Context(), nil)
		if awsconf.Classify(err) != awsconf.Network {
			t.Errorf("class %v: %v", awsconf.Classify(err), err)
		}
	})
	t.Run("no credentials", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		_, err := sqs.NewFromConfig(load(awsconf.Config{Endpoint: server.URL})).ListQueues(t.Context(), nil)
		if awsconf.Classify(err) != awsconf.Credentials {
			t.Errorf("class %v: %v", awsconf.Classify(err), err)
		}
	})
	t.Run("ended", func(t *testing.T) {
		proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Hang: true} })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := receive(ctx); awsconf.Classify(err) != awsconf.Ended && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("class %v: %v", awsconf.Classify(err), err)
		}
	})
}

func TestRole(t *testing.T) {
	server := awstest.Start(t)
	proxy := awstest.NewProxy(t, server.URL)
	var asked string
	proxy.Fail(func(c awstest.Call) awstest.Fault {
		asked = string(c.Body)
		return awstest.Fault{}
	})
	c := awsconf.Config{RoleARN: "arn:aws:iam::222222222222:role/reader", ExternalID: "ext", STSEndpoint: proxy.URL, Endpoint: server.URL}
	loaded, err := c.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := loaded.Credentials.Retrieve(t.Context())
	if err != nil || got.SessionToken == "" {
		t.Fatalf("%v %v", got.AccessKeyID, err)
	}
	for _, want := range []string{"ExternalId=ext", "RoleSessionName=trailcast", "222222222222"} {
		if !strings.Contains(asked, want) {
			t.Errorf("%s is not asked for: %s", want, asked)
		}
	}
}
