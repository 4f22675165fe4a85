package record

import (
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// The records of this table are made up, cut down to what decides.
func TestKindIsRecognisedByContent(t *testing.T) {
	tests := []struct {
		name, record string
		want         pipeline.Kind
	}{
		{"complete record", `{"eventVersion":"1.11","eventID":"a","eventTime":"2024-01-01T00:00:00Z","eventName":"GetUser","eventSource":"iam.amazonaws.com","userIdentity":{"type":"Root"}}`, pipeline.KindCloudTrail},
		{"early record without eventID and eventType", `{"eventVersion":"1.0","userIdentity":{"type":"IAMUser"},"eventTime":"2014-03-06T21:22:54Z","eventName":"StartInstances"}`, pipeline.KindCloudTrail},
		{"no userIdentity", `{"eventID":"a","eventName":"Authenticate","eventType":"AwsServiceEvent"}`, pipeline.KindCloudTrail},
		{"blank eventSource", `{"eventID":"a","eventName":"DeleteDocument","eventSource":"","userIdentity":{}}`, pipeline.KindCloudTrail},
		{"placeholder eventSource", `{"eventID":"a","eventName":"foo","eventSource":"foo","userIdentity":{}}`, pipeline.KindCloudTrail},
		{"placeholders everywhere", `{"eventId":"...","eventName":"...","eventTime":"...","eventVersion":"...","userIdentity":{"arn":"..."}}`, pipeline.KindCloudTrail},
		{"fragment that names an AWS host", `{"eventName":"ConsoleLogin","eventSource":"signin.amazonaws.com"}`, pipeline.KindCloudTrail},
		{"key written with an escape", `{"event\u004eame":"GetUser","eventID":"a","eventType":"AwsApiCall"}`, pipeline.KindCloudTrail},
		{"an object inside that begins as a record does", `{"eventVersion":"1", "requestParameters":{"eventVersion":"2"},"eventName":"GetUser","eventID":"a","eventType":"AwsApiCall"}`, pipeline.KindCloudTrail},
		{"China", `{"eventName":"GetUser","eventSource":"iam.amazonaws.com.cn"}`, pipeline.KindCloudTrail},
		{"no eventName", `{"eventVersion":"1.08","eventTime":"2024-01-01T00:00:00Z","userIdentity":{"type":"AssumedRole"}}`, pipeline.KindOther},
		{"eventName is no string", `{"eventID":"a","eventName":7,"eventType":"AwsApiCall"}`, pipeline.KindOther},
		{"only an eventName", `{"eventName":"clicked"}`, pipeline.KindOther},

		{"S3 notification record", `{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"1970-01-01T00:00:00.000Z","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"EXAMPLE"},"s3":{"bucket":{"name":"b"}}}`, pipeline.KindOther},
		{"S3 notification of a compatible store", `{"eventVersion":"2.0","eventSource":"minio:s3","eventTime":"2024-01-01T00:00:00Z","eventName":"s3:ObjectCreated:Put","userIdentity":{"principalId":"x"},"s3":{"bucket":{"name":"b"}}}`, pipeline.KindOther},
		{"Kinesis record as Lambda gets it", `{"eventID":"shardId-0:1","eventName":"aws:kinesis:record","eventSource":"aws:kinesis","eventVersion":"1.0","userIdentity":{}}`, pipeline.KindOther},
		{"DynamoDB stream record with a deletion by TTL", `{"eventID":"1","eventName":"REMOVE","eventVersion":"1.1","eventSource":"aws:dynamodb","userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"},"dynamodb":{}}`, pipeline.KindOther},

		{"insight", `{"eventVersion":"1.08","eventTime":"2022-04-12T16:10:00Z","eventID":"a","eventType":"AwsCloudTrailInsight","insightDetails":{}}`, pipeline.KindInsight},
		{"insight without eventType", `{"eventTime":"2022-04-12T16:10:00Z","insightDetails":{"state":"Start"}}`, pipeline.KindInsight},

		{"streamed session log", `{"eventVersion":"1.0","eventTime":"2024-01-01T00:00:00Z","awsRegion":"eu-west-1","target":{"id":"i-1"},"userIdentity":{"arn":"arn:aws:iam::123456789012:user/a"},"runAsUser":"ssm-user","sessionId":"a-0","sessionData":["ls"]}`, pipeline.KindSessionLog},
		{"piece of a transcript", `{"sessionId":"a-0","target":"i-1","seq":0,"lines":["ls"]}`, pipeline.KindSessionLog},
		{"session id alone", `{"sessionId":"a-0","target":"i-1"}`, pipeline.KindOther},
		{"session log that holds the text of a CloudTrail record", `{"sessionId":"a-0","target":{"id":"i-1"},"sessionData":["{\"eventID\":\"a\",\"eventName\":\"x\",\"eventType\":\"AwsApiCall\"}"]}`, pipeline.KindSessionLog},

		{"EventBridge envelope", `{"version":"0","id":"a","detail-type":"AWS API Call via CloudTrail","source":"aws.ssm","detail":{"eventID":"a","eventName":"x","eventType":"y"}}`, pipeline.KindOther},
		{"empty object", `{}`, pipeline.KindOther},
		{"no object", `[1]`, pipeline.KindOther},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := KindOf([]byte(tt.record)); got != tt.want {
				t.Errorf("KindOf(%s) = %s, want %s", tt.record, got, tt.want)
			}
		})
	}
}

func TestKindOfRealRecords(t *testing.T) {
	counts := map[string]map[pipeline.Kind]int{}
	for _, r := range realRecords(t) {
		if counts[r.file] == nil {
			counts[r.file] = map[pipeline.Kind]int{}
		}
		counts[r.file][KindOf(r.raw)]++
	}
	for file, got := range counts {
		t.Logf("%s: %v", file, got)
		switch file {
		case "aws-lambda-go.ndjson":
			if got[pipeline.KindCloudTrail] != 0 {
				t.Errorf("%s holds no CloudTrail records, got %v", file, got)
			}
		case "streamalert.ndjson":
			if got[pipeline.KindInsight] == 0 || got[pipeline.KindOther] != 0 {
				t.Errorf("%s holds insights and CloudTrail records only, got %v", file, got)
			}
		default:
			if got[pipeline.KindOther] != 0 {
				t.Errorf("%s holds CloudTrail records only, got %v", file, got)
			}
		}
	}
}
