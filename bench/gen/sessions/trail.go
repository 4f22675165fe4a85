package sessions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// trailRecord is a CloudTrail record with the keys in the order of those that CloudTrail delivers.
type trailRecord struct {
	EventVersion       string   `json:"eventVersion"`
	UserIdentity       identity `json:"userIdentity"`
	EventTime          string   `json:"eventTime"`
	EventSource        string   `json:"eventSource"`
	EventName          string   `json:"eventName"`
	AWSRegion          string   `json:"awsRegion"`
	SourceIPAddress    string   `json:"sourceIPAddress"`
	UserAgent          string   `json:"userAgent"`
	ErrorCode          string   `json:"errorCode,omitempty"`
	ErrorMessage       string   `json:"errorMessage,omitempty"`
	RequestParameters  any      `json:"requestParameters"`
	ResponseElements   any      `json:"responseElements"`
	RequestID          string   `json:"requestID"`
	EventID            string   `json:"eventID"`
	ReadOnly           bool     `json:"readOnly"`
	EventType          string   `json:"eventType"`
	ManagementEvent    bool     `json:"managementEvent"`
	RecipientAccountID string   `json:"recipientAccountId"`
	EventCategory      string   `json:"eventCategory"`
	TLSDetails         tls      `json:"tlsDetails"`
}

type tls struct {
	Version string `json:"tlsVersion"`
	Cipher  string `json:"cipherSuite"`
	Host    string `json:"clientProvidedHostHeader"`
}

// startRequest is requestParameters of StartSession.
type startRequest struct {
	Target     string              `json:"target"`
	Document   string              `json:"documentName,omitempty"`
	Reason     string              `json:"reason,omitempty"`
	Parameters map[string][]string `json:"parameters,omitempty"`
}

// opened is responseElements of StartSession and ResumeSession, and `session` in those of ExecuteCommand.
type opened struct {
	SessionID string `json:"sessionId"`
	Token     string `json:"tokenValue"`
	StreamURL string `json:"streamUrl"`
}

type sessionRef struct {
	SessionID string `json:"sessionId"`
}

type execRequest struct {
	Cluster     string `json:"cluster"`
	Container   string `json:"container"`
	Command     string `json:"command"`
	Interactive bool   `json:"interactive"`
	Task        string `json:"task"`
}

type execResponse struct {
	ClusterARN    string `json:"clusterArn"`
	ContainerName string `json:"containerName"`
	Interactive   bool   `json:"interactive"`
	Session       opened `json:"session"`
	TaskARN       string `json:"taskArn"`
}

type connectRequest struct {
	AuthType       string `json:"AuthType"`
	Protocol       string `json:"Protocol"`
	ConnectionType string `json:"ConnectionType"`
	InstanceID     string `json:"InstanceId"`
}

type connectResponse struct {
	ConnectionARN string `json:"ConnectionArn"`
	ConnectionKey string `json:"ConnectionKey"`
	ClientToken   string `json:"ClientToken"`
	RequestID     string `json:"requestId"`
}

// start delivers the call that opened the session, or tried to.
func (s *scene) start() {
	switch s.truth.Kind {
	case KindECSExec:
		s.call(s.executeCommand())
	case KindRemoteDesktop:
		s.call(s.startConnection())
	default:
		s.call(s.startSession())
	}
}

func (s *scene) startSession() trailRecord {
	r := s.record("ssm", "StartSession", s.truth.Started, s.actor)
	document, parameters := s.chooseDocument()
	s.truth.Document = document
	if !oneIn(s.Rand, 3) {
		s.truth.Reason = one(s.Rand, reasons)
		if oneIn(s.Rand, 12) {
			s.truth.Reason = one(s.Rand, hostileReasons)
		}
	}
	r.RequestParameters = startRequest{s.target, document, s.truth.Reason, parameters}
	if s.truth.Kind == KindDenied {
		r.ErrorCode = "AccessDenied"
		resource := "arn:aws:ec2:%s:%s:instance/%s"
		if strings.HasPrefix(s.target, "mi-") {
			resource = "arn:aws:ssm:%s:%s:managed-instance/%s"
		}
		r.ErrorMessage = "User: " + s.actor.identity.ARN + " is not authorized to perform: ssm:StartSession on resource: " +
			fmt.Sprintf(resource, s.place.region, s.place.account, s.target) +
			" because no identity-based policy allows the ssm:StartSession action"
		return r
	}
	r.ResponseElements = s.opened()
	return r
}

var reasons = []string{
	"INC-4711", "deploy check", "customer ticket 88213", "rotate the certificate", "Übergabe Schicht 2", "disk is full",
}

func (s *scene) chooseDocument() (name string, parameters map[string][]string) {
	switch s.truth.Kind {
	case KindSSH:
		return "AWS-StartSSHSession", map[string][]string{"portNumber": {"22"}}
	case KindPortForward:
		if oneIn(s.Rand, 2) {
			return "AWS-StartPortForwardingSession", map[string][]string{"localPortNumber": {"8080"}, "portNumber": {"80"}}
		}
		return "AWS-StartPortForwardingSessionToRemoteHost", map[string][]string{
			"host": {"orders.cluster-cq1.eu-west-1.rds.amazonaws.com"}, "localPortNumber": {"15432"}, "portNumber": {"5432"},
		}
	}
	return one(s.Rand, []string{
		"", "", "SSM-SessionManagerRunShell", "AWS-StartInteractiveCommand", "Corp-AuditedShell",
		"arn:aws:ssm:" + s.place.region + ":" + accounts[0] + ":document/Corp-AuditedShell",
	}), nil
}

// executeCommand is ECS Exec's call. The SSM session in it belongs to the service.
func (s *scene) executeCommand() trailRecord {
	r := s.record("ecs", "ExecuteCommand", s.truth.Started, s.actor)
	r.RequestParameters = execRequest{s.task.cluster, s.task.container, "/bin/sh", true, s.task.id}
	r.ResponseElements = execResponse{
		"arn:aws:ecs:" + s.place.region + ":" + s.place.account + ":cluster/" + s.task.cluster, s.task.container, true,
		s.opened(), s.taskARN(),
	}
	return r
}

// startConnection is Fleet Manager's call for Remote Desktop (Systems Manager user guide: logging API calls).
func (s *scene) startConnection() trailRecord {
	r := s.record("ssm-guiconnect", "StartConnection", s.truth.Started, s.actor)
	r.RequestParameters = connectRequest{"Credentials", "RDP", "SessionManager", s.target}
	r.ResponseElements = connectResponse{
		"arn:aws:ssm-guiconnect:" + s.place.region + ":" + s.place.account + ":connection/" + s.truth.ID,
		s.uuid(), s.uuid(), r.RequestID,
	}
	return r
}

// sessionCall is ResumeSession or TerminateSession.
func (s *scene) sessionCall(name string, at time.Time, by actor) trailRecord {
	r := s.record("ssm", name, at, by)
	r.RequestParameters = sessionRef{s.truth.ID}
	r.ResponseElements = sessionRef{s.truth.ID}
	if name == "ResumeSession" {
		r.ResponseElements = s.opened()
	}
	return r
}

func (s *scene) opened() opened {
	return opened{s.truth.ID, "Value hidden due to security reasons.",
		"wss://ssmmessages." + s.place.region + ".amazonaws.com/v1/data-channel/" + s.truth.ID + "?role=publish_subscribe"}
}

func (s *scene) record(service, name string, at time.Time, by actor) trailRecord {
	host := service + ".amazonaws.com"
	return trailRecord{
		EventVersion: "1.11", UserIdentity: by.identity, EventTime: at.Format(time.RFC3339), EventSource: host,
		EventName: name, AWSRegion: s.place.region, SourceIPAddress: by.address, UserAgent: by.agent, RequestID: s.uuid(),
		EventID: s.uuid(), EventType: "AwsApiCall", ManagementEvent: true, RecipientAccountID: s.place.account,
		EventCategory: "Management",
		TLSDetails:    tls{"TLSv1.3", "TLS_AES_128_GCM_SHA256", service + "." + s.place.region + ".amazonaws.com"},
	}
}

// call delivers a record.
func (s *scene) call(r trailRecord) {
	at, err := time.Parse(time.RFC3339, r.EventTime)
	if err != nil {
		panic("sessions: " + err.Error()) // not reached: record wrote it
	}
	s.deliver(Delivery{Form: CloudTrail, Record: encode(r), EventTime: at.UTC()})
}

// encode writes JSON as CloudTrail does, with no escapes for HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("sessions: encode: " + err.Error()) // not reached: the types here can be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// objectKey is where CloudTrail puts a record (CloudTrail user guide: finding log files). CloudTrail writes an object
// about every five minutes; here it is one in six hours, so that objects hold some records.
func objectKey(d *Delivery) string {
	end := d.At.Truncate(6 * time.Hour).Add(6 * time.Hour)
	stamp := end.Format("20060102T1504Z")
	return fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/%s/%s_CloudTrail_%s_%s_%s.json.gz", d.Account, d.Region,
		end.Format("2006/01/02"), d.Account, d.Region, stamp,
		stable(d.Account+d.Region+stamp, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 16))
}
