package build

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"go.yaml.in/yaml/v3"

	"github.com/trailcast/trailcast/internal/yamlconf"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
	"github.com/trailcast/trailcast/pipeline"
)

// samples are the records that every sample configuration is run on: those of the demo, whose origin and licence its
// README names.
const samples = "../demo/data"

// bench is what a sample configuration runs in.
type bench struct {
	dir    string
	env    map[string]string
	stdout bytes.Buffer
}

// build loads a sample configuration with its absolute paths moved below the test's directory, and without waiting for
// new files, and builds it.
func (b *bench) build(t *testing.T, name string) *Agent {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "configs", name))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("follow: true"), []byte("follow: false"))
	for _, path := range []string{"trailcast-data/", "/var/lib/trailcast-archive/", "/var/log/trailcast/"} {
		text = bytes.ReplaceAll(text, []byte(path), []byte(b.dir+"/out/"))
	}
	c, err := Load(name, text, func(key string) (string, bool) { v, ok := b.env[key]; return v, ok })
	if err != nil {
		t.Fatal(formatted(err))
	}
	if err := c.Check(); err != nil {
		t.Fatal(formatted(err))
	}
	agent, err := Build(c, Options{NATSServer: natsserver.Start, Stdout: &b.stdout})
	if err != nil {
		t.Fatal(formatted(err))
	}
	return agent
}

// run runs a sample configuration until its input ends.
func (b *bench) run(t *testing.T, name string) pipeline.Stats {
	t.Helper()
	agent := b.build(t, name)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := agent.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("the run did not end by itself")
	}
	stats := agent.Stats()
	account(t, stats)
	return stats
}

func formatted(err error) string {
	errs, ok := errors.AsType[*yamlconf.Errors](err)
	if !ok {
		return err.Error()
	}
	var b strings.Builder
	_ = errs.Format(&b)
	return "\n" + b.String()
}

// account holds the invariants of pipeline.Stats.
func account(t *testing.T, s pipeline.Stats) {
	t.Helper()
	if s.In == 0 || s.In+s.Made != s.Filtered+s.Unrouted+s.Quarantined+s.Routed || s.EventsInFlight != 0 || s.OpenFrames != 0 {
		t.Errorf("the account does not close: %+v", s)
	}
	for _, o := range s.Outputs {
		if o.In+o.Made != o.Filtered+o.Delivered+o.Quarantined+o.Dropped+o.GaveUp || o.GaveUp != 0 {
			t.Errorf("the account of output %s does not close: %+v", o.Name, o)
		}
	}
}

func delivered(t *testing.T, s pipeline.Stats, output string) int64 {
	t.Helper()
	for _, o := range s.Outputs {
		if o.Name == output {
			return o.Delivered
		}
	}
	t.Fatalf("there is no output %s", output)
	return 0
}

func TestSampleConfigurations(t *testing.T) {
	runs := map[string]func(t *testing.T, b *bench){
		"quickstart.yaml":   runQuickstart,
		"ssm-sessions.yaml": runSessions,
		"archive.yaml":      runArchive,
		"nats-cluster.yaml": runCluster,
		"forward.yaml":      runForward,
		"nats-worker.yaml":  runWorker,
	}
	schema := compiled(t)
	files, err := filepath.Glob(filepath.Join("..", "..", "configs", "*.yaml"))
	if err != nil || len(files) < len(runs) {
		t.Fatalf("%d sample configurations: %v", len(files), err)
	}
	logs, err := filepath.Abs(filepath.Join(samples, "cloudtrail"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			run, ok := runs[name]
			if !ok {
				t.Fatal("no test runs this sample")
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(text, []byte("# yaml-language-server: $schema=trailcast.schema.json\n")) {
				t.Error("the first line does not name the schema")
			}
			var value any
			if err := yaml.Unmarshal(text, &value); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(value); err != nil {
				t.Errorf("the schema refuses it: %v", err)
			}
			dir := t.TempDir()
			run(t, &bench{dir: dir, env: map[string]string{
				"TRAILCAST_LOGS":         logs,
				"TRAILCAST_SESSION_LOGS": filepath.Join(filepath.Dir(logs), "sessions"),
				"TRAILCAST_STATE":        filepath.Join(dir, "state"),
				"TRAILCAST_QUARANTINE":   filepath.Join(dir, "quarantine"),
			}})
		})
	}
}

func runQuickstart(t *testing.T, b *bench) {
	b.env["TRAILCAST_NATS"] = "127.0.0.1:-1" // a free port
	s := b.run(t, "quickstart.yaml")
	if bus := delivered(t, s, "bus"); bus == 0 || bus != s.Routed || bus != delivered(t, s, "archive") {
		t.Errorf("bus %d, archive %d, routed %d", bus, delivered(t, s, "archive"), s.Routed)
	}
	lines := b.lines(t, "archive/123837392027")
	if len(lines) == 0 || !strings.Contains(lines[0], `"trailcast":{"v":1`) {
		t.Errorf("%d lines in the archive of an account of the samples", len(lines))
	}

	// The same files again: the positions are kept, so nothing is read twice.
	agent := b.build(t, "quickstart.yaml")
	if err := agent.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := agent.Stats(); again.In != 0 {
		t.Errorf("a second run read %d events", again.In)
	}
}

func runSessions(t *testing.T, b *bench) {
	url, stop := plainServer(t)
	defer stop()
	b.env["NATS_URL"] = url
	s := b.run(t, "ssm-sessions.yaml")
	if s.Filtered == 0 || s.Filtered == s.In {
		t.Errorf("%d of %d events are filtered", s.Filtered, s.In)
	}
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	subjects := streamSubjects(t, conn, "SESSIONS")
	if len(subjects) == 0 {
		t.Fatal("no session on the bus")
	}
	for subject := range subjects {
		if action := subject[strings.LastIndexByte(subject, '.')+1:]; !strings.Contains(action, "Session") && !strings.Contains(action, "Connection") {
			t.Errorf("%s is about no session", subject)
		}
	}
	if lines := b.lines(t, "sessions"); len(lines) == 0 || int64(len(lines)) != delivered(t, s, "transcripts") {
		t.Errorf("%d lines of transcripts, %d delivered", len(lines), delivered(t, s, "transcripts"))
	}
	if lines := int64(strings.Count(b.stdout.String(), "\n")); lines == 0 || lines != delivered(t, s, "console") {
		t.Errorf("%d lines on the console, %d delivered", lines, delivered(t, s, "console"))
	}
}

func runArchive(t *testing.T, b *bench) {
	s := b.run(t, "archive.yaml")
	lines := b.lines(t, "")
	if len(lines) == 0 || int64(len(lines)) != delivered(t, s, "archive") {
		t.Errorf("%d lines, %d delivered", len(lines), delivered(t, s, "archive"))
	}
	if text := strings.Join(lines, ""); strings.Contains(text, "someSessionToken") || !strings.Contains(text, "[REDACTED]") {
		t.Error("the session token of the samples is in the archive")
	}
	found := map[string]bool{}
	for _, path := range b.files(t, "") {
		found[filepath.Ext(path)] = true
	}
	if !maps.Equal(found, map[string]bool{".zst": true}) {
		t.Errorf("endings of files: %v", found)
	}
}

func runCluster(t *testing.T, b *bench) {
	c := startCluster(t)
	defer c.server.Shutdown()
	maps.Copy(b.env, map[string]string{"NATS_URL": c.url, "NATS_CA": c.ca, "NATS_CREDS": c.creds})
	conn, err := nats.Connect(c.url, nats.RootCAs(c.ca), nats.UserCredentials(c.creds))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream := jetstream.StreamConfig{Name: "AUDIT", Subjects: []string{"audit.>"}, Duplicates: time.Hour}
	if _, err := js.CreateStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	denied, err := conn.SubscribeSync("alerts.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}

	s := b.run(t, "nats-cluster.yaml")
	stored := uint64(0)
	for subject, n := range streamSubjects(t, conn, "AUDIT") {
		if strings.Count(subject, ".") != 4 {
			t.Errorf("subject %s has another number of tokens", subject)
		}
		stored += n
	}
	if stored == 0 || int64(stored) > delivered(t, s, "cluster") {
		t.Errorf("the stream holds %d messages, %d were delivered", stored, delivered(t, s, "cluster"))
	}
	for range delivered(t, s, "denied") {
		if _, err := denied.NextMsg(5 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
}

func streamSubjects(t *testing.T, conn *nats.Conn, stream string) map[string]uint64 {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	st, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := st.Info(t.Context(), jetstream.WithSubjectFilter(">"))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Subjects
}

func (b *bench) files(t *testing.T, below string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(b.dir, "out", below), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// lines returns the lines of all files below a folder of what the run wrote.
func (b *bench) lines(t *testing.T, below string) []string {
	t.Helper()
	var lines []string
	for _, path := range b.files(t, below) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var r io.Reader = f
		switch filepath.Ext(path) {
		case ".zst":
			d, err := zstd.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			r = d
		case ".gz":
			if r, err = gzip.NewReader(f); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for line := range strings.Lines(string(text)) {
			lines = append(lines, line)
		}
	}
	return lines
}

func plainServer(t *testing.T) (url string, stop func()) {
	t.Helper()
	s := startServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	return s.ClientURL(), s.Shutdown
}

func startServer(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return s
}

// cluster is a NATS server as a production one is set up: TLS, operator, account, user with a credentials file.
type cluster struct {
	server         *server.Server
	url, ca, creds string
}

func startCluster(t *testing.T) cluster {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		k, err := create()
		must(err)
		public, err := k.PublicKey()
		must(err)
		return k, public
	}
	operator, operatorID := pair(nkeys.CreateOperator)
	_, systemID := pair(nkeys.CreateAccount)
	account, accountID := pair(nkeys.CreateAccount)
	user, userID := pair(nkeys.CreateUser)

	resolver := &server.MemAccResolver{}
	for _, id := range []string{systemID, accountID} {
		claims := jwt.NewAccountClaims(id)
		if id == accountID {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
		}
		token, err := claims.Encode(operator)
		must(err)
		must(resolver.Store(id, token))
	}
	operatorClaims := jwt.NewOperatorClaims(operatorID)
	operatorClaims.SystemAccount = systemID
	token, err := operatorClaims.Encode(operator)
	must(err)
	operatorClaims, err = jwt.DecodeOperatorClaims(token)
	must(err)

	userToken, err := jwt.NewUserClaims(userID).Encode(account)
	must(err)
	seed, err := user.Seed()
	must(err)
	credentials, err := jwt.FormatUserConfig(userToken, seed)
	must(err)
	c := cluster{ca: filepath.Join(dir, "ca.pem"), creds: filepath.Join(dir, "user.creds")}
	must(os.WriteFile(c.creds, credentials, 0o600))

	certificate, authority := selfSigned(t)
	must(os.WriteFile(c.ca, authority, 0o600))
	c.server = startServer(t, &server.Options{
		JetStream: true, StoreDir: filepath.Join(dir, "store"), TLS: true, TLSTimeout: 5,
		TLSConfig:        &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		TrustedOperators: []*jwt.OperatorClaims{operatorClaims}, SystemAccount: systemID, AccountResolver: resolver,
	})
	c.url = strings.Replace(c.server.ClientURL(), "nats://", "tls://", 1)
	return c
}

// selfSigned returns a certificate for 127.0.0.1 and, as PEM, the authority that verifies it.
func selfSigned(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
