package s3key

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	const file = "2026/01/02/123456789012_CloudTrail_eu-west-1_20260102T0005Z_AbCdEfGhIjKlMnOp.json.gz"
	for key, want := range map[string]Info{
		"AWSLogs/123456789012/CloudTrail/eu-west-1/" + file:                           {CloudTrail, "123456789012", "eu-west-1", day, "AWSLogs/123456789012/CloudTrail/eu-west-1/"},
		"pre/fix/AWSLogs/o-abc123/123456789012/CloudTrail/eu-west-1/" + file:          {CloudTrail, "123456789012", "eu-west-1", day, "pre/fix/AWSLogs/o-abc123/123456789012/CloudTrail/eu-west-1/"},
		"o-abc123/AWSLogs/123456789012/CloudTrail/eu-west-1/" + file:                  {CloudTrail, "123456789012", "eu-west-1", day, "o-abc123/AWSLogs/123456789012/CloudTrail/eu-west-1/"},
		"o-abc123/AWSLogs/o-abc123/123456789012/CloudTrail-Insight/eu-west-1/" + file: {Insight, "123456789012", "eu-west-1", day, "o-abc123/AWSLogs/o-abc123/123456789012/CloudTrail-Insight/eu-west-1/"},
		"AWSLogs/123456789012/CloudTrail-NetworkActivity/eu-west-1/" + file:           {NetworkActivity, "123456789012", "eu-west-1", day, "AWSLogs/123456789012/CloudTrail-NetworkActivity/eu-west-1/"},
		"AWSLogs/123456789012/CloudTrail-Aggregated/eu-west-1/" + file:                {Aggregated, "123456789012", "eu-west-1", day, "AWSLogs/123456789012/CloudTrail-Aggregated/eu-west-1/"},
		"AWSLogs/123456789012/CloudTrail-Digest/eu-west-1/" + file:                    {Digest, "123456789012", "eu-west-1", day, "AWSLogs/123456789012/CloudTrail-Digest/eu-west-1/"},
		"AWSLogs/123456789012/CloudTrail-Future/eu-west-1/" + file:                    {NewCloudTrail, "123456789012", "eu-west-1", day, "AWSLogs/123456789012/CloudTrail-Future/eu-west-1/"},
		"AWSLogs/123456789012/CloudTrail/eu-west-1/x.json.gz":                         {CloudTrail, "123456789012", "eu-west-1", time.Time{}, "AWSLogs/123456789012/CloudTrail/eu-west-1/"},
		"AWSLogs/123456789012/CloudTrail/eu-west-1/":                                  {Kind: Folder, Account: "123456789012", Region: "eu-west-1", Root: "AWSLogs/123456789012/CloudTrail/eu-west-1/"},
		"AWSLogs/123456789012/Config/eu-west-1/2026/1/2/ConfigHistory/x.json.gz":      {Kind: Service, Account: "123456789012"},
		"AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/01/02/x.log.gz":              {Kind: Service, Account: "123456789012"},
		"AWSLogs/aws-account-id=123456789012/elasticloadbalancing/x.log.gz":           {Kind: Other},
		"sessions/alice-0a1b2c3d4e5f67890.log":                                        {Kind: Session},
		"alice@example.com-abcdefghij0123456789abcdef.log":                            {Kind: Session},
		"sessions/readme.log": {Kind: Other},
		"":                    {Kind: Other},
		"a/":                  {Kind: Folder},
		"export.ndjson.gz":    {Kind: Other},
	} {
		if got := Parse(key); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", key, got, want)
		}
	}
}
