package forwardin

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/listener"
	"github.com/trailcast/trailcast/internal/splitconf"
)

// A real Fluent Bit as the client, where one is on PATH or named by FLUENT_BIT.

func fluentBitFile(t *testing.T) string {
	t.Helper()
	file := os.Getenv("FLUENT_BIT")
	if file == "" {
		file, _ = exec.LookPath("fluent-bit")
	}
	if file == "" {
		t.Skip("NOT RUN: no fluent-bit on PATH or in FLUENT_BIT; the clients of the other tests stand for it")
	}
	return file
}

// agent is a Fluent Bit that tails a file.
type agent struct {
	t    *testing.T
	file *os.File
	n    int // lines written
	logs *logs
}

const agentConfig = `[SERVICE]
    Flush 0.2
    Grace 1
    Log_Level info
    scheduler.base 1
    scheduler.cap 1
[INPUT]
    Name tail
    Path DIR/lines
    Tag cloudtrail.app
    Read_from_Head on
    Refresh_Interval 1
[OUTPUT]
    Name forward
    Match *
    Retry_Limit no_limits
`

func startAgent(t *testing.T, config string) *agent {
	t.Helper()
	a := &agent{t: t, logs: &logs{}}
	dir := t.TempDir()
	var err error
	if a.file, err = os.Create(filepath.Join(dir, "lines")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.file.Close() })
	a.write(20)
	file := filepath.Join(dir, "fluent-bit.conf")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(agentConfig, "DIR", dir)+config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(fluentBitFile(t), "-c", file)
	cmd.Stdout, cmd.Stderr = a.logs, a.logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(a.logs)
		}
	})
	return a
}

// write appends lines, each a CloudTrail record of its own.
func (a *agent) write(n int) {
	a.t.Helper()
	var b bytes.Buffer
	for range n {
		fmt.Fprintf(&b, `{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"E%d","eventID":"%d"}`+"\n", a.n, a.n)
		a.n++
	}
	if _, err := a.file.Write(b.Bytes()); err != nil {
		a.t.Fatal(err)
	}
}

// arrived waits until each line has arrived, and returns how many repeats there were.
func (a *agent) arrived(s *sink) (repeats int) {
	a.t.Helper()
	timeout := time.After(patience)
	for {
		seen := map[string]bool{}
		events := s.got()
		for _, ev := range events {
			seen[ev.Facts().Action] = true
			if ev.Record.Origin.Tag == "" {
				a.t.Fatalf("an event without a tag: %s", ev.Raw)
			}
		}
		if len(seen) == a.n {
			return len(events) - a.n
		}
		select {
		case <-s.stored:
		case <-timeout:
			a.t.Fatalf("%d of %d lines have arrived", len(seen), a.n)
		}
	}
}

func to(s *server) string {
	host, port, _ := net.SplitHostPort(s.in.Addr().String())
	return "    Host " + host + "\n    Port " + port + "\n"
}

var inLog = splitconf.Config{Unwrap: []string{"log"}}

func TestFluentBit(t *testing.T) {
	fluentBitFile(t)
	cert, key := certificate(t)
	secure := &listener.TLS{CertFile: cert, KeyFile: key}
	const ack, withKey, withTLS = "    Require_ack_response on\n", "    Shared_Key the key\n    Self_Hostname edge\n", "    tls on\n    tls.verify on\n    tls.ca_file CERT\n"
	for name, c := range map[string]struct {
		input Config
		agent string
	}{
		"no acknowledgement":       {Config{}, ""},
		"acknowledged":             {Config{RequireAck: true}, ack},
		"gzip":                     {Config{RequireAck: true}, ack + "    Compress gzip\n"},
		"without metadata":         {Config{RequireAck: true}, ack + "    Retain_Metadata_In_Forward_Mode off\n"},
		"whole seconds":            {Config{}, "    Time_as_Integer on\n"},
		"a message for each event": {Config{RequireAck: true}, ack + "    Tag app.$log\n"},
		"shared key":               {Config{SharedKey: "the key", RequireAck: true}, ack + withKey},
		"shared key and user": {Config{SharedKey: "the key", Users: map[string]conf.Secret{"edge": "secret"}, RequireAck: true},
			ack + withKey + "    Username edge\n    Password secret\n"},
		"TLS":                          {Config{TLS: secure, RequireAck: true}, ack + withTLS},
		"TLS with shared key and gzip": {Config{TLS: secure, SharedKey: "the key", RequireAck: true}, ack + withTLS + withKey + "    Compress gzip\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c.input.Config = inLog
			s := start(t, c.input, openSink())
			a := startAgent(t, to(s)+strings.ReplaceAll(c.agent, "CERT", cert))
			a.arrived(s.sink)
			a.write(500)
			if n := a.arrived(s.sink); n > 0 {
				t.Errorf("%d repeats", n)
			}
			if n := len(s.aside.all()); n > 0 {
				t.Errorf("%d pieces in quarantine: %+v", n, s.aside.all()[0])
			}
		})
	}
}

func TestFluentBitWithAnotherKeyIsRefused(t *testing.T) {
	fluentBitFile(t)
	s := start(t, Config{SharedKey: "the key"}, openSink())
	startAgent(t, to(s)+"    Shared_Key another\n    Self_Hostname edge\n    Require_ack_response on\n")
	for deadline := time.After(patience); ; {
		more := s.logs.written()
		if strings.Contains(s.logs.String(), "shared_key mismatch") {
			break
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("not refused: %s", s.logs)
		}
	}
	if len(s.sink.got()) > 0 {
		t.Error("events were taken")
	}
}

// TestFluentBitOutlivesRestarts stops the input in the middle, once with what it has taken undelivered, and starts it again
// on the same port.
func TestFluentBitOutlivesRestarts(t *testing.T) {
	fluentBitFile(t)
	cfg := Config{Config: inLog, RequireAck: true}
	first := start(t, cfg, openSink())
	cfg.Listen = first.in.Addr().String()
	a := startAgent(t, to(first)+"    Require_ack_response on\n    Compress gzip\n")
	a.arrived(first.sink)
	a.write(300)
	first.end()
	a.write(300)

	stuck := newSink()
	second := start(t, cfg, stuck)
	<-stuck.called
	a.write(300)
	second.stop()
	second.closeEngine() // nothing was delivered
	second.end()
	a.write(300)

	third := start(t, cfg, openSink())
	third.sink.add(first.sink.got())
	a.arrived(third.sink)
	keys := map[string]string{} // a repeat has the same key
	for _, ev := range third.sink.got() {
		action := ev.Facts().Action
		if k, ok := keys[action]; ok && k != ev.Key() {
			t.Errorf("%s has the keys %s and %s", action, k, ev.Key())
		}
		keys[action] = ev.Key()
	}
}

// certificate makes files of a certificate for 127.0.0.1, which is its own authority, and of its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
