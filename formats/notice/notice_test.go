package notice

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	s3Event = `{"Records":[{"eventVersion":"2.5","eventSource":"aws:s3","awsRegion":"eu-west-1","eventName":"ObjectCreated:Put",` +
		`"s3":{"bucket":{"name":"logs"},"object":{"key":"a+b%2Bc/%C3%A4.json.gz","size":12,"eTag":"e1","versionId":"v1","sequencer":"0A"}}}]}`
	cloudTrail = `{"s3Bucket":"trail","s3ObjectKey":["AWSLogs/1/a+b%20.json.gz","AWSLogs/1/c.json.gz"]}`
	bridge     = `{"version":"0","id":"x","detail-type":"Object Created","source":"aws.s3","account":"1","region":"eu-west-1","resources":[],` +
		`"detail":{"version":"0","bucket":{"name":"logs"},"object":{"key":"a b+c%20.gz","size":5,"etag":"e","version-id":"v","sequencer":"1"},"reason":"PutObject"}}`
	lake = `{"source":"aws.s3","time":"2026-01-01T00:00:00Z","account":"1","region":"us-east-1","resources":["arn:aws:s3:::lake"],` +
		`"detail":{"bucket":{"name":"lake"},"object":{"key":"aws/CLOUD_TRAIL_MGMT/x.gz.parquet","size":5,"etag":"e"},"request-id":"r","requester":"1"}}`
)

func sns(message string) string {
	m, _ := json.Marshal(message)
	return `{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:123456789012:t","Message":` + string(m) + `,"Timestamp":"2026-01-01T00:00:00.000Z"}`
}

func TestParse(t *testing.T) {
	inS3 := []Object{{Bucket: "logs", Key: "a b+c/ä.json.gz", VersionID: "v1", ETag: "e1", Region: "eu-west-1", Size: 12}}
	inTrail := []Object{{Bucket: "trail", Key: "AWSLogs/1/a+b%20.json.gz", Size: -1}, {Bucket: "trail", Key: "AWSLogs/1/c.json.gz", Size: -1}}
	for name, c := range map[string]struct {
		body string
		want Notice
	}{
		"S3":                {s3Event, Notice{Objects: inS3, Via: []string{"s3"}}},
		"S3 in SNS":         {sns(s3Event), Notice{Objects: inS3, Via: []string{"sns", "s3"}}},
		"S3 in SNS twice":   {sns(sns(s3Event)), Notice{Objects: inS3, Via: []string{"sns", "sns", "s3"}}},
		"CloudTrail raw":    {cloudTrail, Notice{Objects: inTrail, Via: []string{"cloudtrail"}}},
		"CloudTrail in SNS": {sns(cloudTrail), Notice{Objects: inTrail, Via: []string{"sns", "cloudtrail"}}},
		"one key, no list":  {`{"s3Bucket":"b","s3ObjectKey":"k"}`, Notice{Objects: []Object{{Bucket: "b", Key: "k", Size: -1}}, Via: []string{"cloudtrail"}}},
		"EventBridge": {bridge, Notice{Objects: []Object{{Bucket: "logs", Key: "a b+c%20.gz", VersionID: "v", ETag: "e", Region: "eu-west-1", Size: 5}},
			Via: []string{"eventbridge"}}},
		"Security Lake": {lake, Notice{Objects: []Object{{Bucket: "lake", Key: "aws/CLOUD_TRAIL_MGMT/x.gz.parquet", ETag: "e", Region: "us-east-1", Size: 5}},
			Via: []string{"eventbridge"}}},
		"test event":                {`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"t","Bucket":"b","RequestId":"r","HostId":"h"}`, Notice{Noise: "S3's test event"}},
		"test event in SNS":         {sns(`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`), Notice{Noise: "S3's test event", Via: []string{"sns"}}},
		"validation message":        {"CloudTrail validation message.", Notice{Noise: "CloudTrail's validation message"}},
		"validation message in SNS": {sns("CloudTrail validation message.\n"), Notice{Noise: "CloudTrail's validation message", Via: []string{"sns"}}},
		"removed": {strings.Replace(s3Event, "ObjectCreated:Put", "ObjectRemoved:Delete", 1),
			Notice{Noise: "an S3 event that writes no object", Via: []string{"s3"}}},
		"deleted, EventBridge": {strings.Replace(bridge, "Object Created", "Object Deleted", 1),
			Notice{Noise: "an S3 event that writes no object", Via: []string{"eventbridge"}}},
		"created and removed": {`{"Records":[` + strings.TrimSuffix(strings.TrimPrefix(s3Event, `{"Records":[`), `]}`) + `,` +
			strings.TrimSuffix(strings.TrimPrefix(strings.Replace(s3Event, "ObjectCreated:Put", "ObjectRemoved:Delete", 1), `{"Records":[`), `]}`) + `]}`,
			Notice{Objects: inS3, Via: []string{"s3"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":              "",
		"text":                 "hello",
		"an array":             "[]",
		"broken":               `{"Records":[`,
		"a CloudTrail record":  `{"eventVersion":"1.08","eventName":"PutObject"}`,
		"a CloudTrail file":    `{"Records":[{"eventVersion":"1.08","eventName":"PutObject"}]}`,
		"no records":           `{"Records":[]}`,
		"version 3":            strings.Replace(s3Event, `"2.5"`, `"3.0"`, 1),
		"key with bad escapes": strings.Replace(s3Event, "%C3", "%ZZ", 1),
		"no key":               strings.Replace(s3Event, `"key"`, `"kee"`, 1),
		"one of two is none":   strings.Replace(s3Event, `]}`, `,{"x":1}]}`, 1),
		"no bucket":            `{"s3Bucket":"","s3ObjectKey":["k"]}`,
		"no keys":              `{"s3Bucket":"b","s3ObjectKey":[]}`,
		"keys that are none":   `{"s3Bucket":"b","s3ObjectKey":[1]}`,
		"another event":        `{"detail-type":"AWS API Call via CloudTrail","source":"aws.ssm","detail":{"eventName":"StartSession"}}`,
		"lake without key":     strings.Replace(lake, `"key"`, `"kee"`, 1),
		"three envelopes":      sns(sns(sns(s3Event))),
		"subscription":         `{"Type":"SubscriptionConfirmation","TopicArn":"arn:aws:sns:eu-west-1:123456789012:t","Message":"You have chosen"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Parse([]byte(body)); !errors.Is(err, ErrUnknown) {
				t.Errorf("%+v %v", got, err)
			}
		})
	}
}

// TestPublished reads examples of AWS's own libraries.
func TestPublished(t *testing.T) {
	for file, key := range map[string]string{"s3-event.json": "Happy Face.jpg", "s3-event-with-decoded.json": "Happy Face.jpg", "s3-lifecycle-event.json": ""} {
		body, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		n, err := Parse(body)
		if key == "" {
			if err != nil || n.Noise == "" {
				t.Errorf("%s: %+v %v", file, n, err)
			}
			continue
		}
		if err != nil || len(n.Objects) != 1 || n.Objects[0].Key != key {
			t.Errorf("%s: %+v %v", file, n, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{s3Event, cloudTrail, bridge, lake, sns(s3Event), sns(sns(cloudTrail)), "CloudTrail validation message."} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := Parse(body)
		if err != nil && !errors.Is(err, ErrUnknown) {
			t.Fatal(err)
		}
		if err == nil && (len(n.Objects) > 0) == (n.Noise != "") {
			t.Fatalf("%+v", n)
		}
		for _, o := range n.Objects {
			if err == nil && (o.Bucket == "" || o.Key == "") {
				t.Fatalf("%+v", n)
			}
		}
	})
}
