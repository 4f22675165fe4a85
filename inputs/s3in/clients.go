package s3in

import (
	"cmp"
	"context"
	"errors"
	"path"
	"regexp"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/trailcast/trailcast/internal/awsconf"
)

// clients reach buckets, each in its region and by its role.
type clients struct {
	config Config

	mu      sync.Mutex
	made    map[reach]*s3.Client
	regions map[string]string // of buckets, where they were learned from S3's answers
}

// regionName is what regions look like: they come from messages.
var regionName = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d{1,2}$`)

const maxClients = 1000

// reach is what a client depends on.
type reach struct{ role, externalID, region, endpoint string }

func newClients(c Config) *clients {
	return &clients{config: c, made: map[reach]*s3.Client{}, regions: map[string]string{}}
}

// of returns the client for a bucket. region is what a notice says, "" where it says nothing.
func (c *clients) of(ctx context.Context, bucket, region string) (*s3.Client, error) {
	if !regionName.MatchString(region) {
		region = ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := reach{role: c.config.RoleARN, externalID: c.config.ExternalID, endpoint: cmp.Or(c.config.S3Endpoint, c.config.Endpoint),
		region: cmp.Or(c.regions[bucket], region, c.config.Region)}
	for _, b := range c.config.Buckets {
		if ok, _ := path.Match(b.Match, bucket); !ok {
			continue
		}
		if b.RoleARN != "" {
			r.role, r.externalID = b.RoleARN, b.ExternalID
		}
		r.region, r.endpoint = cmp.Or(b.Region, r.region), cmp.Or(b.Endpoint, r.endpoint)
		break
	}
	if client := c.made[r]; client != nil {
		return client, nil
	}
	settings := c.config.AWS
	settings.RoleARN, settings.ExternalID, settings.Region, settings.Endpoint = r.role, r.externalID, r.region, r.endpoint
	loaded, err := settings.Load(ctx)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(loaded, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	if len(c.made) >= maxClients {
		clear(c.made)
	}
	c.made[r] = client
	return client, nil
}

// moved learns from an answer that a bucket is in another region; then the call is worth another try.
func (c *clients) moved(bucket string, err error) bool {
	answer, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok || answer.Response == nil {
		return false
	}
	region := answer.Response.Header.Get("X-Amz-Bucket-Region")
	c.mu.Lock()
	defer c.mu.Unlock()
	if region == "" || c.regions[bucket] == region {
		return false
	}
	if answer.HTTPStatusCode() != 301 && answer.HTTPStatusCode() != 400 && answer.HTTPStatusCode() != 307 {
		return false
	}
	if len(c.regions) > 10_000 { // names come from messages
		clear(c.regions)
	}
	c.regions[bucket] = region
	return true
}

// call calls S3 for a bucket, in the region where it is.
func call[O any](ctx context.Context, c *clients, bucket, region string, do func(*s3.Client) (O, error)) (O, error) {
	for {
		client, err := c.of(ctx, bucket, region)
		if err != nil {
			var none O
			return none, err
		}
		out, err := do(client)
		if err == nil || !c.moved(bucket, err) {
			return out, err
		}
	}
}

// readable tells why a bucket can not be read, by asking for its first key.
func (c *clients) readable(ctx context.Context, bucket, prefix string) error {
	_, err := call(ctx, c, bucket, "", func(client *s3.Client) (*s3.ListObjectsV2Output, error) {
		return client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(prefix), MaxKeys: aws.Int32(1)})
	})
	return awsconf.Failed(err, "s3:ListBucket", "s3://"+bucket+"/"+prefix, "s3:GetObject", "kms:Decrypt (where objects are encrypted with a key of KMS)")
}
