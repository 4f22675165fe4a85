// Package awsconf is how components reach AWS: the settings that they share, the clients' manners, and errors that say
// what is missing.
package awsconf

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/lazyregexp"
)

// Config is who a component is in AWS and where it looks for the service. Credentials are never configured here: they
// come by the SDK's standard chain (environment, shared files, web identity, container, instance).
type Config struct {
	Region          string `conf:"region" doc:"AWS region. Default: AWS_REGION, the profile's, or that of the instance." example:"eu-west-1"`
	Profile         string `conf:"profile" doc:"Profile of the shared AWS configuration files." example:"audit"`
	RoleARN         string `conf:"role_arn" doc:"Role to assume with the credentials of the standard chain." example:"arn:aws:iam::123456789012:role/trailcast"`
	ExternalID      string `conf:"external_id" doc:"External id that the role's trust policy asks for."`
	RoleSessionName string `conf:"role_session_name" default:"trailcast" doc:"Session name of the assumed role: what CloudTrail shows of this agent."`
	Endpoint        string `conf:"endpoint" doc:"URL of the service instead of AWS's own: a VPC endpoint, an emulator. STS is asked there too with sts_endpoint only." example:"https://vpce-0123.sqs.eu-west-1.vpce.amazonaws.com"`
	STSEndpoint     string `conf:"sts_endpoint" doc:"URL of STS, with role_arn."`
	FIPS            bool   `conf:"fips" doc:"Use the FIPS endpoints."`
	DualStack       bool   `conf:"dual_stack" doc:"Use the endpoints that speak IPv6 too."`
}

var (
	roleARN     = lazyregexp.New(`^arn:[a-z-]+:iam::\d{12}:role/\S+$`)
	sessionName = lazyregexp.New(`^[\w+=,.@-]{2,64}$`)
)

// Mistakes returns all mistakes in c.
func (c *Config) Mistakes() []error {
	var errs []error
	wrong := func(field, format string, args ...any) { errs = append(errs, conf.FieldErrorf(field, format, args...)) }
	if c.RoleARN != "" && !roleARN.MatchString(c.RoleARN) {
		wrong("role_arn", "%q is not like arn:aws:iam::123456789012:role/name", c.RoleARN)
	}
	if c.ExternalID != "" && c.RoleARN == "" {
		wrong("external_id", "means something with role_arn only")
	}
	if c.RoleSessionName != "" && !sessionName.MatchString(c.RoleSessionName) {
		wrong("role_session_name", "%q: 2 to 64 letters, digits and +=,.@_- are allowed", c.RoleSessionName)
	}
	for field, text := range map[string]string{"endpoint": c.Endpoint, "sts_endpoint": c.STSEndpoint} {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			wrong(field, "not a URL like https://host")
		}
	}
	return errs
}

// Times that every client keeps. The SDK has none of its own for an answer that never begins.
const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 35 * time.Second // above the 20 s of an SQS long poll
)

// Load returns the SDK's configuration. Files are read and roles prepared here, nothing is asked of AWS yet but the
// region, of an instance that has no other source of it.
func (c *Config) Load(ctx context.Context) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithDialerOptions(dialer).WithTransportOptions(transport)
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		config.WithRetryer(func() aws.Retryer { return retry.NewStandard() }),
		config.WithAppID("trailcast"),
		config.WithLogger(logging.Nop{}), // it would write to standard error
	}
	if c.Region != "" {
		options = append(options, config.WithRegion(c.Region))
	}
	if c.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(c.Profile))
	}
	if c.FIPS {
		options = append(options, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if c.DualStack {
		options = append(options, config.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("AWS configuration: %w", err)
	}
	if loaded.Region == "" {
		return aws.Config{}, &conf.Error{Field: "region", Msg: "no region is known", Hint: "set region, or AWS_REGION in the environment"}
	}
	if c.RoleARN != "" {
		loaded.Credentials = aws.NewCredentialsCache(c.role(loaded))
	}
	if c.Endpoint != "" {
		loaded.BaseEndpoint = aws.String(c.Endpoint)
	}
	return loaded, nil
}

func (c *Config) role(base aws.Config) aws.CredentialsProvider {
	client := sts.NewFromConfig(base, func(o *sts.Options) {
		if c.STSEndpoint != "" {
			o.BaseEndpoint = aws.String(c.STSEndpoint)
		}
	})
	return stscreds.NewAssumeRoleProvider(client, c.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = c.RoleSessionName
		if o.RoleSessionName == "" {
			o.RoleSessionName = "trailcast"
		}
		if c.ExternalID != "" {
			o.ExternalID = aws.String(c.ExternalID)
		}
	})
}

// RegionOfARN returns the region that an ARN names, "" when it names none.
func RegionOfARN(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		return parts[3]
	}
	return ""
}

func dialer(d *net.Dialer) { d.Timeout = dialTimeout }

func transport(t *http.Transport) {
	t.ResponseHeaderTimeout = answerTimeout
	t.TLSHandshakeTimeout = dialTimeout
	t.MaxIdleConnsPerHost = 64
}
