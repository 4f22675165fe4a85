package httpin

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	snsTopic = "arn:aws:sns:us-east-1:123456789012:MyTopic"
	snsURL   = "https://sns.us-east-1.amazonaws.com"
	certPath = "/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"
)

// fakeSNS stands for the hosts of SNS, with an authority of its own, and signs messages.
type fakeSNS struct {
	t         testing.TB
	authority *authority
	key       *rsa.PrivateKey
	server    *httptest.Server

	mu       sync.Mutex
	answer   http.HandlerFunc // instead of what SNS answers
	requests []string
}

// rsaKey is one for all tests, since making one is slow.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newFakeSNS(t testing.TB) *fakeSNS {
	f := &fakeSNS{t: t, authority: newAuthority(t), key: rsaKey()}
	cert, key := f.authority.pair("sns.us-east-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn", "other.example", "sns.s3-eu-west-1.amazonaws.com",
		"sns.s3-website-eu-west-1.amazonaws.com", "sns.s3-accelerate.amazonaws.com", "sns.s3.eu-west-1.amazonaws.com")
	f.server = httptest.NewUnstartedServer(f)
	f.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	return f
}

// use makes an input take the fake for the hosts of SNS, whatever they are called. Names are still verified.
func (f *fakeSNS) use(in *Input) {
	transport := in.trust.client.Transport.(*http.Transport)
	transport.Proxy = nil
	transport.TLSClientConfig.RootCAs = f.authority.pool()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, f.server.Listener.Addr().String())
	}
}

func (f *fakeSNS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, "https://"+r.Host+r.URL.String())
	answer := f.answer
	f.mu.Unlock()
	switch {
	case answer != nil:
		answer(w, r)
	case r.URL.Path == certPath:
		_, _ = w.Write(f.certificate(nil))
	case r.URL.Query().Get("Action") == "ConfirmSubscription":
		_, _ = w.Write([]byte("<ConfirmSubscriptionResponse/>"))
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeSNS) answerWith(answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// asked returns what was asked for, less the certificate.
func (f *fakeSNS) asked() (certs int, others []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.HasSuffix(r, ".pem") {
			certs++
		} else {
			others = append(others, r)
		}
	}
	return certs, others
}

// certificate is the signing certificate, after a change.
func (f *fakeSNS) certificate(change func(*x509.Certificate)) []byte {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, DNSNames: []string{"sns.amazonaws.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(c)
	}
	var public any = &f.key.PublicKey
	if c.PublicKey != nil {
		public, c.PublicKey = c.PublicKey, nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.authority.sign(c, public).Raw})
}

// message is one of SNS before it is signed.
type message map[string]string

func notification(text string) message {
	return message{
		"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": snsTopic, "Subject": "My <First> Message",
		"Message": text, "Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "2",
		"SigningCertURL": snsURL + certPath, "UnsubscribeURL": snsURL + "/?Action=Unsubscribe",
	}
}

func confirmation(kind string) message {
	const token = "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92"
	return message{
		"Type": kind, "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "Token": token, "TopicArn": snsTopic,
		"Message":      "You have chosen to subscribe to the topic " + snsTopic + ".\nTo confirm the subscription, visit the SubscribeURL included in this message.",
		"SubscribeURL": snsURL + "/?Action=ConfirmSubscription&TopicArn=" + snsTopic + "&Token=" + token,
		"Timestamp":    time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "1", "SigningCertURL": snsURL + certPath,
	}
}

func (m message) with(pairs ...string) message {
	m = maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		if m[pairs[i]] = pairs[i+1]; pairs[i+1] == "-" {
			delete(m, pairs[i])
		}
	}
	return m
}

// signed signs as the documentation of AWS says, by other means than the input.
func (f *fakeSNS) signed(m message) message {
	fields := []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	if m["Type"] == "Notification" {
		fields = []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	}
	text := ""
	for _, name := range fields {
		if value, ok := m[name]; ok {
			text += name + "\n" + value + "\n"
		}
	}
	kind, digest := crypto.SHA256, sha256.New()
	if m["SignatureVersion"] == "1" {
		kind, digest = crypto.SHA1, sha1.New()
	}
	digest.Write([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, f.key, kind, digest.Sum(nil))
	if err != nil {
		f.t.Fatal(err)
	}
	return m.with("Signature", base64.StdEncoding.EncodeToString(signature))
}

func (m message) body() string {
	b, _ := json.MarshalIndent(m, "", "  ")
	return string(b)
}

func (s *site) sns(m message, more ...string) reply {
	s.Helper()
	return s.post(m.body(), append([]string{
		"Content-Type", "text/plain; charset=UTF-8", headerSNSType, m["Type"], headerSNSID, m["MessageId"], headerSNSTopic, m["TopicArn"],
		"User-Agent", "Amazon Simple Notification Service Agent",
	}, more...)...)
}

func subscribed(t *testing.T, changes ...func(*Config)) (*site, *fakeSNS) {
	t.Helper()
	f := newFakeSNS(t)
	cfg := Config{SNSTopics: []string{"arn:aws*:sns:*:123456789012:My*"}}
	for _, change := range changes {
		change(&cfg)
	}
	return start(t, cfg, f.use), f
}

func TestNotification(t *testing.T) {
	s, f := subscribed(t)
	for _, version := range []string{"1", "2"} {
		s.sns(f.signed(notification(bridge("b", trail("v"+version))).with("SignatureVersion", version))).want(t, 200, ok1)
		o := s.one(trail("v" + version)).Record.Origin
		if o.Object != "sns:"+snsTopic || strings.Join(o.Via, " ") != "http sns eventbridge" || o.Owner != "123456789012" || o.Region != "us-east-1" {
			t.Errorf("origin %+v", o)
		}
	}
	s.sns(f.signed(notification(trail("no subject")).with("Subject", "-"))).want(t, 200, ok1)
	s.sns(f.signed(notification("CloudTrail validation message."))).want(t, 200, `{"events":0,"rejected":0}`)
	if certs, others := f.asked(); certs != 1 || len(others) > 0 {
		t.Errorf("the certificate was fetched %d times, and %v", certs, others)
	}

	// A text that is no document makes the envelope an event, of what is signed only.
	m := f.signed(notification("an alarm <é> \"quoted\"\n"))
	for range 2 {
		s.sns(m.with("MessageAttributes", "forged", "Extra", "forged")).want(t, 200, ok1)
	}
	var event string
	for raw := range s.Events() {
		if strings.Contains(raw, "an alarm") {
			event = raw
		}
	}
	var got message
	if err := json.Unmarshal([]byte(event), &got); err != nil {
		t.Fatal(err)
	}
	if want := m.with("Signature", "-", "SignatureVersion", "-", "SigningCertURL", "-", "UnsubscribeURL", "-"); !maps.Equal(got, want) {
		t.Errorf("got %s, want %s", event, want.body())
	}
	if s.Events()[event] != 2 || len(s.Keys(event)) != 1 {
		t.Errorf("the repeat of a message has another key: %v", s.Keys(event))
	}
}

func TestSubscription(t *testing.T) {
	s, f := subscribed(t)
	m := confirmation("SubscriptionConfirmation")
	for _, version := range []string{"1", "2"} {
		s.sns(f.signed(m.with("SignatureVersion", version))).want(t, 200, `{"events":0,"rejected":0}`)
	}
	if _, asked := f.asked(); !slices.Equal(asked, []string{m["SubscribeURL"], m["SubscribeURL"]}) {
		t.Errorf("asked %v", asked)
	}
	s.sns(f.signed(confirmation("UnsubscribeConfirmation"))).want(t, 200, `{"events":0,"rejected":0}`)
	if _, asked := f.asked(); len(asked) != 2 {
		t.Errorf("subscribed again: %v", asked)
	}
	text := s.logs.String()
	if !strings.Contains(text, "the subscription of an SNS topic has ended") || strings.Contains(text, m["Token"]) {
		t.Errorf("log: %s", text)
	}
	s.nothing()
}

func TestRegionsHaveCertificatesOfOtherNames(t *testing.T) {
	for topic, names := range map[string][]string{
		"arn:aws:sns:us-east-1:123456789012:MyTopic":     {"sns.amazonaws.com", "sns.us-east-1.amazonaws.com", "sns-signing.us-east-1.amazonaws.com"},
		"arn:aws-cn:sns:cn-north-1:123456789012:MyTopic": {"sns-cn-north-1.amazonaws.com.cn"},
	} {
		for _, name := range names {
			s, f := subscribed(t)
			f.answerWith(func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write(f.certificate(func(c *x509.Certificate) { c.DNSNames = []string{name} }))
			})
			host, err := snsHost(topic)
			if err != nil {
				t.Fatal(err)
			}
			s.sns(f.signed(notification(trail("a")).with("TopicArn", topic, "SigningCertURL", "https://"+host+certPath))).want(t, 200, ok1)
		}
	}
}

// TestForgedMessages has messages that SNS did not send, or not to this topic, or long ago. None may make the input ask
// anybody for anything but the certificate, nor bring in an event.
func TestForgedMessages(t *testing.T) {
	f := newFakeSNS(t)
	tampered := func(pairs ...string) message { return f.signed(notification(trail("a"))).with(pairs...) }
	subscribe := confirmation("SubscriptionConfirmation")
	hostile := func(url string) message { return f.signed(subscribe.with("SubscribeURL", url)) }
	query := strings.TrimPrefix(subscribe["SubscribeURL"], snsURL)
	// bucket moves a message to a region that makes the host of SNS one of S3's, of which anybody may have a part.
	bucket := func(m message, region string) message {
		for name, value := range m {
			m[name] = strings.ReplaceAll(value, "us-east-1", region)
		}
		return f.signed(m)
	}
	for name, c := range map[string]struct {
		m       message
		headers []string
		status  int
	}{
		"another text":            {tampered("Message", trail("b")), nil, 403},
		"another id":              {tampered("MessageId", "x"), nil, 403},
		"another subject":         {tampered("Subject", "x"), nil, 403},
		"no subject":              {tampered("Subject", "-"), nil, 403},
		"another time":            {tampered("Timestamp", time.Now().Add(time.Second).UTC().Format(time.RFC3339)), nil, 403},
		"another allowed topic":   {tampered("TopicArn", snsTopic+"2"), nil, 403},
		"another type":            {tampered("Type", "SubscriptionConfirmation"), nil, 403},
		"another type in header":  {tampered(), []string{headerSNSType, "SubscriptionConfirmation"}, 400},
		"an unknown type":         {tampered("Type", "Other"), nil, 400},
		"the other version":       {tampered("SignatureVersion", "1"), nil, 403},
		"an unknown version":      {tampered("SignatureVersion", "3"), nil, 403},
		"no version":              {tampered("SignatureVersion", "-"), nil, 403},
		"no signature":            {tampered("Signature", "-"), nil, 403},
		"an empty signature":      {tampered("Signature", ""), nil, 403},
		"a signature of no form":  {tampered("Signature", "!"), nil, 403},
		"a topic of others":       {f.signed(notification(trail("a")).with("TopicArn", "arn:aws:sns:us-east-1:999999999999:MyTopic")), nil, 401},
		"others' topic in body":   {f.signed(notification(trail("a")).with("TopicArn", "arn:aws:sns:us-east-1:999999999999:MyTopic")), []string{headerSNSTopic, snsTopic}, 403},
		"another name":            {f.signed(notification(trail("a")).with("TopicArn", "arn:aws:sns:us-east-1:123456789012:Other")), []string{headerSNSTopic, snsTopic}, 403},
		"a region that is a host": {f.signed(notification(trail("a")).with("TopicArn", "arn:aws:sns:evil.example#:123456789012:MyTopic")), nil, 403},
		"a bucket called sns":     {bucket(notification(trail("a")), "s3-eu-west-1"), nil, 403},
		"the same, of a website":  {bucket(notification(trail("a")), "s3-website-eu-west-1"), nil, 403},
		"the same, accelerated":   {bucket(notification(trail("a")), "s3-accelerate"), nil, 403},
		"the same, with a dot":    {bucket(notification(trail("a")), "s3.eu-west-1"), nil, 403},
		"a bucket to confirm at":  {bucket(confirmation("SubscriptionConfirmation"), "s3-eu-west-1"), nil, 403},
		"a bucket to confirm":     {hostile("https://sns.s3-eu-west-1.amazonaws.com" + query), nil, 403},
		"old":                     {f.signed(notification(trail("a")).with("Timestamp", time.Now().Add(-3*time.Hour).UTC().Format(time.RFC3339))), nil, 403},
		"no time":                 {f.signed(notification(trail("a")).with("Timestamp", "yesterday")), nil, 403},
		"an old subscription":     {f.signed(subscribe.with("Timestamp", time.Now().Add(-3*time.Hour).UTC().Format(time.RFC3339))), nil, 403},
		"raw":                     {message{"a": "b"}, []string{headerSNSType, "Notification", headerSNSTopic, snsTopic, headerSNSRaw, "true"}, 401},
		"no SNS message":          {message{"a": "b"}, []string{headerSNSType, "Notification", headerSNSTopic, snsTopic}, 400},
		"another token":           {f.signed(subscribe).with("Token", "x"), nil, 403},

		"http":                     {hostile("http://sns.us-east-1.amazonaws.com" + query), nil, 403},
		"a host that goes on":      {hostile("https://sns.us-east-1.amazonaws.com.evil.example" + query), nil, 403},
		"another host":             {hostile("https://other.example" + query), nil, 403},
		"another service":          {hostile("https://sqs.us-east-1.amazonaws.com" + query), nil, 403},
		"another region's":         {hostile("https://sns.us-east-2.amazonaws.com" + query), nil, 403},
		"a user":                   {hostile("https://sns.us-east-1.amazonaws.com@other.example" + query), nil, 403},
		"a user before the host":   {hostile("https://u:p@sns.us-east-1.amazonaws.com" + query), nil, 403},
		"a port":                   {hostile("https://sns.us-east-1.amazonaws.com:8443" + query), nil, 403},
		"another action":           {hostile(snsURL + strings.Replace(query, "Confirm", "Delete", 1)), nil, 403},
		"two actions":              {hostile(snsURL + query + "&Action=Unsubscribe"), nil, 403},
		"another parameter":        {hostile(snsURL + query + "&X=1"), nil, 403},
		"another topic to confirm": {hostile(snsURL + strings.Replace(query, "MyTopic", "MyTopic2", 1)), nil, 403},
		"a fragment":               {hostile(snsURL + query + "#x"), nil, 403},
		"a path":                   {hostile(snsURL + "/x" + query), nil, 403},
		"a line's end":             {hostile(snsURL + query + "\r\nX: y"), nil, 403},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{SNSTopics: []string{"arn:aws:sns:*:123456789012:MyTopic*"}}, f.use)
			s.sns(c.m, c.headers...).want(t, c.status, "")
			s.nothing()
			if _, asked := f.asked(); len(asked) > 0 {
				t.Errorf("asked %v", asked)
			}
		})
	}
}

func TestRegions(t *testing.T) {
	for region, want := range map[string]bool{
		"us-east-1": true, "eu-central-2": true, "ap-southeast-7": true, "mx-central-1": true, "il-central-1": true, "cn-north-1": true,
		"us-gov-west-1": true, "us-iso-east-1": true, "us-isob-east-1": true, "eu-isoe-west-1": true,
		"s3-eu-west-1": false, "s3-us-gov-west-1": false, "s3-fips-us-gov-west-1": false, "s3-website-eu-west-1": false,
		"s3-website.eu-west-1": false, "s3-accelerate": false, "s3-external-1": false, "s3.eu-west-1": false, "s3": false, "s3-1": false,
		"eu-west-1.s3": false, "us-east": false, "us-1": false, "us-east-100": false, "us-east-1a": false, "US-EAST-1": false, "": false,
		"us--east-1": false, "-us-east-1": false, "us-east-1-": false, "us-east-1\n": false, "us-east-1/": false, "us-e4st-1": false,
	} {
		host, err := snsHost("arn:aws:sns:" + region + ":123456789012:name")
		if (err == nil) != want || want && host != "sns."+region+".amazonaws.com" {
			t.Errorf("%q: %q, %v", region, host, err)
		}
	}
}

// TestWaitingForAWSIsNoVerdict has a genuine message while the places for requests to AWS are taken.
func TestWaitingForAWSIsNoVerdict(t *testing.T) {
	f := newFakeSNS(t)
	s := start(t, Config{SNSTopics: []string{snsTopic}}, f.use, func(in *Input) { in.trust.wait = 50 * time.Millisecond })
	for range trustRequests {
		s.in.trust.places <- struct{}{}
	}
	m := f.signed(notification(trail("a")))
	s.sns(m).want(t, 503, "")
	for range trustRequests {
		<-s.in.trust.places
	}
	s.sns(m).want(t, 200, ok1)
}

// TestGoneClientsAreNoVerdict has a client that leaves while its certificate is fetched.
func TestGoneClientsAreNoVerdict(t *testing.T) {
	s, f := subscribed(t)
	asked := make(chan struct{})
	f.answerWith(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	m := f.signed(notification(trail("a")))
	c := s.dial()
	s.send(c, snsHead(len(m.body()))+m.body())
	<-asked
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	s.Wait("the end of the request", func() bool { return len(s.in.strangers.places) == 0 })
	f.answerWith(nil)
	s.sns(m).want(t, 200, ok1)
}

// TestVerifiedMessagesAreNoStrangers holds that messages which wait for an output do not use up what is there for those
// that are not verified yet.
func TestVerifiedMessagesAreNoStrangers(t *testing.T) {
	s, f := subscribed(t, func(c *Config) { c.MaxRequests = 4 })
	release := s.Hold()
	answers := make(chan reply, 4)
	for i := range int64(4) {
		m := f.signed(notification(trail(fmt.Sprint(i))))
		go func() {
			got, _ := s.try(s.url, m.body(), headerSNSType, "Notification", headerSNSTopic, snsTopic)
			answers <- got
		}()
		s.Wait("the event", func() bool { return s.agent.Stats().EventsInFlight == i+1 })
	}
	s.sns(f.signed(notification(trail("one more")))).want(t, 503, "")
	release()
	for range 4 {
		if got := <-answers; got.status != 200 {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
}

func TestMembersThatComeTwiceAreRefused(t *testing.T) {
	s, f := subscribed(t)
	m := f.signed(notification(trail("a")))
	for name, member := range map[string]string{
		"a second message":          `"Message": ` + fmt.Sprintf("%q", trail("forged")),
		"one that is written apart": `"M\u0065ssage": ` + fmt.Sprintf("%q", trail("forged")),
		"a second certificate":      `"SigningCertURL": "https://other.example/"`,
	} {
		for _, body := range []string{
			strings.Replace(m.body(), "{", "{"+member+",", 1), m.body()[:len(m.body())-2] + "," + member + "}",
		} {
			got := s.post(body, headerSNSType, "Notification", headerSNSTopic, snsTopic)
			if got.status != 400 || !strings.Contains(got.body, "twice") {
				t.Errorf("%s: answered %d %s", name, got.status, got.body)
			}
		}
	}
	// Other spellings are other members.
	s.post(strings.Replace(m.body(), "{", `{"message": "forged", "MESSAGE": "forged",`, 1), headerSNSType, "Notification", headerSNSTopic, snsTopic).want(t, 200, ok1)
	s.one(trail("a"))
}

func TestSigningCertURL(t *testing.T) {
	const host = "sns.us-east-1.amazonaws.com"
	for url, want := range map[string]bool{
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem": true,
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem":                                true,

		"http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem":                 false,
		"HTTPS://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem":                false,
		"https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-0.pem":   false,
		"https://sns.us-east-1.amazonaws.com.evil.example/":                                  false,
		"https://sns.us-east-2.amazonaws.com/SimpleNotificationService-0.pem":                false,
		"https://evil.example/SimpleNotificationService-0.pem":                               false,
		"https://u@sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem":              false,
		"https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-0.pem":   false,
		"https://sns.us-east-1.amazonaws.com:443/SimpleNotificationService-0.pem":            false,
		"https://sns.us-east-1.amazonaws.com/../SimpleNotificationService-0.pem":             false,
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-../0.pem":             false,
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-%2e.pem":              false,
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem?x":              false,
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem#x":              false,
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem\n":              false,
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-.pem":                 false,
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService.pem":                  false,
		"https://sns.us-east-1.amazonaws.com/my-bucket/SimpleNotificationService-0.pem":      false,
		"https://sns.us-east-1.amazonaws.com\\@evil.example/SimpleNotificationService-0.pem": false,
		"https://SNS.us-east-1.amazonaws.com/SimpleNotificationService-0.pem":                false,
		" https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem":               false,
		"": false,
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-" + strings.Repeat("0", 65) + ".pem": false,
	} {
		if got := isCertURL(url, host); got != want {
			t.Errorf("%q: %v", url, got)
		}
	}
}

// TestCertificatesOfOthersAreNotAskedFor has messages that are signed well, with a certificate from elsewhere.
func TestCertificatesOfOthersAreNotAskedFor(t *testing.T) {
	s, f := subscribed(t)
	for _, url := range []string{
		"https://other.example" + certPath, "http://sns.us-east-1.amazonaws.com" + certPath, "https://sns.us-east-1.amazonaws.com@other.example" + certPath,
		"https://sns.us-east-1.amazonaws.com.evil.example" + certPath, "https://sns.us-east-1.amazonaws.com:443" + certPath,
		"https://sns.cn-north-1.amazonaws.com.cn" + certPath, snsURL + "/x/.." + certPath, snsURL + "/other.pem", "",
	} {
		s.sns(f.signed(notification(trail("a")).with("SigningCertURL", url))).want(t, 403, "")
	}
	if certs, others := f.asked(); certs > 0 || len(others) > 0 {
		t.Errorf("asked for %d certificates, and %v", certs, others)
	}
	s.nothing()
}

// TestCertificatesThatCannotBeHad holds that a message which may be genuine is asked for again, not dropped: SNS does not
// repeat what is answered with 4xx.
func TestCertificatesThatCannotBeHad(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	f := newFakeSNS(t)
	cert := func(change func(*x509.Certificate)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(f.certificate(change)) }
	}
	for name, answer := range map[string]http.HandlerFunc{
		"not found": http.NotFound,
		"an error":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.Host == "other.example" {
				_, _ = w.Write(f.certificate(nil))
				return
			}
			http.Redirect(w, r, "https://other.example"+certPath, http.StatusFound)
		},
		"a cut body": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5000")
			_, _ = w.Write(f.certificate(nil)[:500])
		},
		"no PEM": func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"a key": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}))
		},
		"an oversized one": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(f.certificate(nil))
			_, _ = w.Write([]byte(strings.Repeat("\n", maxCertFile)))
		},
		"an endless one": func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"an expired one":        cert(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
		"one of tomorrow":       cert(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }),
		"one of somebody else":  cert(func(c *x509.Certificate) { c.DNSNames = []string{"sqs.amazonaws.com"} }),
		"one of a longer name":  cert(func(c *x509.Certificate) { c.DNSNames = []string{"sns.amazonaws.com.evil.example"} }),
		"one of any name":       cert(func(c *x509.Certificate) { c.DNSNames = []string{"*.amazonaws.com"} }),
		"one of another region": cert(func(c *x509.Certificate) { c.DNSNames = []string{"sns.eu-west-1.amazonaws.com"} }),
		"one with another key":  cert(func(c *x509.Certificate) { c.PublicKey = &ec.PublicKey }),
		"one with a small key":  cert(func(c *x509.Certificate) { c.PublicKey = &small.PublicKey }),
	} {
		t.Run(name, func(t *testing.T) {
			f.answerWith(answer)
			s := start(t, Config{SNSTopics: []string{snsTopic}}, f.use)
			m := f.signed(notification(trail("a")))
			s.sns(m).want(t, 503, "")
			before, _ := f.asked()
			s.sns(m).want(t, 503, "")
			if after, _ := f.asked(); after != before {
				t.Error("the certificate was asked for again at once")
			}
			s.nothing()
			if !strings.Contains(s.logs.String(), "can not be checked or confirmed at present") {
				t.Errorf("log: %s", s.logs)
			}
		})
	}
}

func TestHostsOfSNSMustProveThemselves(t *testing.T) {
	f, other := newFakeSNS(t), newAuthority(t)
	s := start(t, Config{SNSTopics: []string{"arn:aws:sns:*:123456789012:MyTopic"}}, f.use, func(in *Input) {
		in.trust.client.Transport.(*http.Transport).TLSClientConfig.RootCAs = other.pool()
	})
	s.sns(f.signed(notification(trail("a")))).want(t, 503, "")
	second := start(t, Config{SNSTopics: []string{"arn:aws:sns:*:123456789012:MyTopic"}}, f.use)
	m := notification(trail("a")).with("TopicArn", strings.Replace(snsTopic, "us-east-1", "eu-west-1", 1),
		"SigningCertURL", "https://sns.eu-west-1.amazonaws.com"+certPath) // a host whose name the server does not have
	second.sns(f.signed(m)).want(t, 503, "")
	s.nothing()
	second.nothing()
}

func TestConfirmationsThatFailAreAskedForAgain(t *testing.T) {
	f := newFakeSNS(t)
	for name, answer := range map[string]http.HandlerFunc{
		"an error":   func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://other.example/", 302) },
		"an end":     func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			f.answerWith(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == certPath {
					_, _ = w.Write(f.certificate(nil))
					return
				}
				answer(w, r)
			})
			s := start(t, Config{SNSTopics: []string{snsTopic}}, f.use)
			m := confirmation("SubscriptionConfirmation")
			s.sns(f.signed(m)).want(t, 503, "")
			if text := s.logs.String(); strings.Contains(text, m["Token"]) || !strings.Contains(text, "confirm the subscription of "+snsTopic) {
				t.Errorf("log: %s", text)
			}
		})
	}
}

// TestStopWhileSNSHangs holds that a stop does not wait for hosts of AWS.
func TestStopWhileSNSHangs(t *testing.T) {
	hanging := make(chan struct{}, 1)
	s, f := subscribed(t)
	f.answerWith(func(w http.ResponseWriter, r *http.Request) {
		hanging <- struct{}{}
		<-r.Context().Done()
	})
	answered := make(chan reply, 1)
	go func() {
		got, _ := s.try(s.url, f.signed(notification(trail("a"))).body(), headerSNSType, "Notification", headerSNSTopic, snsTopic)
		answered <- got
	}()
	<-hanging
	begun := time.Now()
	if err := s.agent.Stop(); err != nil {
		t.Error(err)
	}
	if d := time.Since(begun); d > trustTimeout/2 {
		t.Errorf("the stop took %v", d)
	}
	if got := <-answered; got.status != 503 {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}

func TestWhoInventsURLsPushesNoCertificateOut(t *testing.T) {
	s, f := subscribed(t)
	s.sns(f.signed(notification(trail("a")))).want(t, 200, ok1)
	for i := range 2 * maxKnown {
		s.sns(f.signed(notification(trail("x")).with("SigningCertURL", fmt.Sprintf("%s/SimpleNotificationService-%x.pem", snsURL, i)))).want(t, 503, "")
	}
	before, _ := f.asked()
	s.sns(f.signed(notification(trail("b")))).want(t, 200, ok1)
	if after, _ := f.asked(); after != before || len(s.in.trust.known) > maxKnown {
		t.Errorf("the certificate was fetched again; %d are kept", len(s.in.trust.known))
	}
}

// TestSNSWithAPassword has subscriptions whose URL has a user: SNS sends the password after a 401 only.
func TestSNSWithAPassword(t *testing.T) {
	basic := []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("sns:secret"))}
	s, f := subscribed(t, func(c *Config) { c.Basic = &Basic{Username: "sns", Password: "secret"}; c.SNSTopics = nil })
	raw := []string{headerSNSType, "Notification", headerSNSID, "m-1", headerSNSTopic, snsTopic, headerSNSRaw, "true"}
	first := s.post(trail("raw"), raw...)
	first.want(t, 401, "")
	if got := first.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic ") {
		t.Errorf("WWW-Authenticate is %q", got)
	}
	for range 2 {
		s.post(`{"raw":1}`, append(raw, basic...)...).want(t, 200, ok1)
	}
	s.post(`{"raw":1}`, append(slices.Clone(raw), append(basic, headerSNSID, "m-2")...)...).want(t, 200, ok1)
	if keys := s.Keys(`{"raw":1}`); len(keys) != 2 {
		t.Errorf("two messages, one of them twice, have the keys %v", keys)
	}
	ev, _ := s.Event(`{"raw":1}`)
	if o := ev.Record.Origin; o.Object != "sns:"+snsTopic || o.Identity != "m-2" {
		t.Errorf("origin %+v", o)
	}
	m := notification(trail("unsigned"))
	s.sns(m).want(t, 401, "")
	s.sns(m, basic...).want(t, 200, ok1)
	s.one(trail("unsigned"))

	// A subscription is confirmed for the topics of sns_topics only, whoever asks for it.
	s.sns(f.signed(confirmation("SubscriptionConfirmation")), basic...).want(t, 403, "")
	if certs, asked := f.asked(); certs > 0 || len(asked) > 0 {
		t.Errorf("asked %d times for the certificate, and %v", certs, asked)
	}
}
