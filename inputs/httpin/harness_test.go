package httpin

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/inputs/inputtest"
	"github.com/trailcast/trailcast/pipeline"
)

// patience is how long what must happen may take.
const patience = 20 * time.Second

// site is a running input with a client.
type site struct {
	*testing.T
	*inputtest.Bench
	in     *Input
	agent  *inputtest.Agent
	logs   *logs
	client *http.Client
	url    string
}

// logs keeps what is logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs an input until the end of the test, which checks that nothing is left of it. changes are made before it
// runs.
func start(t *testing.T, cfg Config, changes ...func(*Input)) *site {
	t.Helper()
	return startFor(t, cfg, 5*time.Second, changes...)
}

// startFor tells how long a stop waits for confirmations.
func startFor(t *testing.T, cfg Config, drain time.Duration, changes ...func(*Input)) *site {
	t.Helper()
	before := goleak.IgnoreCurrent()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	s := &site{T: t, Bench: inputtest.New(t), logs: &logs{}}
	var err error
	log := slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if s.in, err = New(cfg, pipeline.Env{Name: "web", Log: log}); err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		change(s.in)
	}
	transport := &http.Transport{}
	s.client = &http.Client{Transport: transport, Timeout: patience}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		goleak.VerifyNone(t, before)
		for name, p := range map[string]*pool{"senders": &s.in.pool, "strangers": &s.in.strangers} {
			if !p.room.bytes.TryAcquire(p.room.size) || len(p.places) > 0 {
				t.Errorf("not all of the room of %s was given back", name)
			}
		}
	})
	s.agent = s.Start(s.in, drain)
	t.Cleanup(func() {
		if err := s.agent.Stop(); err != nil {
			t.Error(err)
		}
		if st := s.agent.Stats(); st.OpenFrames != 0 || st.EventsInFlight != 0 {
			t.Errorf("%d frames and %d events are left", st.OpenFrames, st.EventsInFlight)
		}
	})
	select {
	case <-s.in.listening:
	case <-time.After(patience):
		t.Fatal("it does not listen")
	}
	s.url = "http://" + s.in.Addr().String() + "/"
	return s
}

// reply is an answer that was read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// post sends a body; headers are pairs of name and value.
func (s *site) post(body string, headers ...string) reply {
	s.Helper()
	got, err := s.try(s.url, body, headers...)
	if err != nil {
		s.Fatal(err)
	}
	return got
}

func (s *site) try(url, body string, headers ...string) (reply, error) {
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header, string(text)}, err
}

func (r reply) want(t testing.TB, status int, body string) {
	t.Helper()
	if r.status != status || body != "" && r.body != body {
		t.Fatalf("answered %d %s, want %d %s", r.status, r.body, status, body)
	}
	if r.header.Get("Content-Type") != "application/json" || !json.Valid([]byte(r.body)) {
		t.Errorf("the answer is of type %s: %s", r.header.Get("Content-Type"), r.body)
	}
	if again := r.header.Get("Retry-After"); (status == 503) != (again != "") {
		t.Errorf("Retry-After is %q", again)
	}
}

const ok1 = `{"events":1,"rejected":0}`

// nothing checks that no event was taken.
func (s *site) nothing() {
	s.Helper()
	if n, aside := s.Total(), len(s.Aside()); n > 0 || aside > 0 {
		s.Errorf("%d events were delivered and %d are in quarantine", n, aside)
	}
}

// one returns the only delivery of an event.
func (s *site) one(raw string) pipeline.Event {
	s.Helper()
	if n := s.Events()[raw]; n != 1 {
		s.Fatalf("%s came %d times, of %v", raw, n, s.Events())
	}
	ev, _ := s.Event(raw)
	return ev
}

// stop stops the agent in the background.
func (s *site) stopping() (stopped <-chan error) {
	ended := make(chan error, 1)
	go func() { ended <- s.agent.Stop() }()
	return ended
}

func trail(id string) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","eventSource":"ssm.amazonaws.com","eventName":"StartSession","awsRegion":"eu-west-1","eventID":%q,"recipientAccountId":"123456789012","userIdentity":{"type":"IAMUser"}}`, id)
}

func bridge(id, detail string) string {
	return fmt.Sprintf(`{"version":"0","id":%q,"detail-type":"AWS API Call via CloudTrail","source":"aws.ssm","account":"123456789012","time":"2024-05-01T12:00:00Z","region":"eu-west-1","resources":[],"detail":%s}`, id, detail)
}

func packed(texts ...string) string {
	var b bytes.Buffer
	for _, text := range texts { // one member each
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(text))
		_ = z.Close()
	}
	return b.String()
}

func zstandard(text string) string {
	z, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	defer z.Close()
	return string(z.EncodeAll([]byte(text), nil))
}

// authority is a certificate authority of its own, with which a test signs what it needs.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = a.sign(a.cert, &key.PublicKey)
	return a
}

func (a *authority) sign(template *x509.Certificate, public any) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// pair makes a certificate of a server or client and its key.
func (a *authority) pair(names ...string) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test"}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, &key.PublicKey), key
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// files writes the authority's certificate and a pair.
func (a *authority) files() (ca, cert, key string) {
	c, k := a.pair()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(a.t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		return file
	}
	return write("ca.pem", "CERTIFICATE", a.cert.Raw), write("cert.pem", "CERTIFICATE", c.Raw), write("key.pem", "PRIVATE KEY", der)
}

// dial opens a connection for requests that no HTTP library sends.
func (s *site) dial() net.Conn {
	s.Helper()
	c, err := new(net.Dialer).DialContext(context.Background(), "tcp", s.in.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func (s *site) env() pipeline.Env { return pipeline.Env{Name: "web"} }
