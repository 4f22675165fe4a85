package natsout

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/outputs/natsout/embedded"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

func writeFile(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantDelivery fails unless one event gets through.
func wantDelivery(t *testing.T, o *Output) {
	t.Helper()
	if err := o.Write(deadline(t), outputtest.Events(0, 1)); err != nil {
		t.Errorf("Write: got %v, want nil", err)
	}
	if err := o.Check(deadline(t)); err != nil {
		t.Errorf("Check: got %v, want nil", err)
	}
}

func TestAuthentication(t *testing.T) {
	dir := t.TempDir()
	key := newUserKey(t)
	otherKey := newUserKey(t)
	tests := []struct {
		name   string
		server server.Options
		good   func(*Config)
		bad    func(*Config)
	}{
		{
			"password",
			server.Options{Username: "trail", Password: "s3cret"},
			func(c *Config) { c.User, c.Password = "trail", "s3cret" },
			func(c *Config) { c.User, c.Password = "trail", "wrong" },
		},
		{
			"password in a file",
			server.Options{Username: "trail", Password: "s3cret"},
			func(c *Config) { c.User, c.PasswordFile = "trail", writeFile(t, dir, "good", []byte("s3cret\r\n")) },
			func(c *Config) { c.User, c.PasswordFile = "trail", writeFile(t, dir, "bad", []byte("wrong\n")) },
		},
		{
			"token",
			server.Options{Authorization: "t0ken"},
			func(c *Config) { c.Token = "t0ken" },
			func(c *Config) { c.Token = "wrong" },
		},
		{
			"token in a file",
			server.Options{Authorization: "t0ken"},
			func(c *Config) { c.TokenFile = writeFile(t, dir, "token", []byte("t0ken")) },
			func(c *Config) {},
		},
		{
			"nkey",
			server.Options{Nkeys: []*server.NkeyUser{{Nkey: key.public}}},
			func(c *Config) { c.NkeyFile = writeFile(t, dir, "user.nk", key.seed) },
			func(c *Config) { c.NkeyFile = writeFile(t, dir, "other.nk", otherKey.seed) },
		},
		credentialsCase(t, dir),
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := startServer(t, test.server)
			c := config(s.url())
			test.good(&c)
			wantDelivery(t, open(t, c, pipeline.Env{}))

			c = config(s.url())
			c.Timeout = 500 * time.Millisecond
			test.bad(&c)
			wantRetry(t, open(t, c, pipeline.Env{}).Write(deadline(t), outputtest.Events(0, 1)), "Authorization")
		})
	}
}

type userKey struct {
	public string
	seed   []byte
	pair   nkeys.KeyPair
}

func newUserKey(t testing.TB) userKey {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return userKey{public, seed, pair}
}

// credentialsCase is a server in operator mode with one account, and credentials files of two users: one of the
// account, one of an account that the server does not know.
func credentialsCase(t *testing.T, dir string) (test struct {
	name   string
	server server.Options
	good   func(*Config)
	bad    func(*Config)
}) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		t.Helper()
		kp, err := create()
		must(err)
		public, err := kp.PublicKey()
		must(err)
		return kp, public
	}
	operator, operatorID := pair(nkeys.CreateOperator)
	claims := jwt.NewOperatorClaims(operatorID)
	_, err := claims.Encode(operator)
	must(err)
	resolver := &server.MemAccResolver{}
	creds := func(name string, known bool) string {
		account, accountID := pair(nkeys.CreateAccount)
		accountJWT, err := jwt.NewAccountClaims(accountID).Encode(operator)
		must(err)
		if known {
			must(resolver.Store(accountID, accountJWT))
		}
		user := newUserKey(t)
		userJWT, err := jwt.NewUserClaims(user.public).Encode(account)
		must(err)
		file, err := jwt.FormatUserConfig(userJWT, user.seed)
		must(err)
		return writeFile(t, dir, name, file)
	}
	good, bad := creds("good.creds", true), creds("bad.creds", false)
	test.name = "credentials file"
	test.server = server.Options{TrustedOperators: []*jwt.OperatorClaims{claims}, AccountResolver: resolver}
	test.good = func(c *Config) { c.CredsFile = good }
	test.bad = func(c *Config) { c.CredsFile = bad }
	return test
}

func TestRenewedPasswordIsTaken(t *testing.T) {
	s := startServer(t, server.Options{Username: "trail", Password: "first"})
	file := writeFile(t, t.TempDir(), "password", []byte("first\n"))
	c := config(s.url())
	c.User, c.PasswordFile = "trail", file
	o := open(t, c, pipeline.Env{})
	wantDelivery(t, o)
	s.stop()
	s.options.Password = "second"
	writeFile(t, filepath.Dir(file), "password", []byte("second\n"))
	s.start(t)
	ctx := deadline(t)
	for o.Write(ctx, outputtest.Events(1, 1)) != nil {
		if ctx.Err() != nil {
			t.Fatal("the new password is not taken")
		}
	}
}

func TestMissingFilesAreFoundAtTheStart(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	notPEM := writeFile(t, t.TempDir(), "not.pem", []byte("x"))
	tests := map[string]func(*Config){
		"password_file": func(c *Config) { c.User, c.PasswordFile = "u", none },
		"token_file":    func(c *Config) { c.TokenFile = none },
		"nkey_file":     func(c *Config) { c.NkeyFile = none },
		"creds_file":    func(c *Config) { c.CredsFile = none },
		"ca_file":       func(c *Config) { c.TLS = &TLS{CAFile: notPEM} },
		"cert_file":     func(c *Config) { c.TLS = &TLS{CertFile: none, KeyFile: none} },
	}
	for name, set := range tests {
		c := config("nats://127.0.0.1:1")
		set(&c)
		o, err := New(c, pipeline.Env{Name: "bus"})
		if err == nil {
			closeOutput(t, o)
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want an error that names it", name, err)
		}
	}
}

// certificates makes an authority, and certificates of a server on 127.0.0.1 and of a client.
func certificates(t testing.TB, dir, prefix string) (ca, cert, key, clientCert, clientKey string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: prefix + " test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, template, template, &caKey.PublicKey, caKey)
	must(err)
	authority, err := x509.ParseCertificate(caDER)
	must(err)
	encode := func(name, kind string, der []byte) string {
		return writeFile(t, dir, prefix+name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	issue := func(name string, serial int64) (string, string) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			KeyUsage:    x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{name},
		}, authority, &k.PublicKey, caKey)
		must(err)
		keyDER, err := x509.MarshalPKCS8PrivateKey(k)
		must(err)
		return encode(name+".pem", "CERTIFICATE", der), encode(name+".key", "PRIVATE KEY", keyDER)
	}
	cert, key = issue("nats.example", 2)
	clientCert, clientKey = issue("trailcast", 3)
	return encode("ca.pem", "CERTIFICATE", caDER), cert, key, clientCert, clientKey
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca, cert, key, clientCert, clientKey := certificates(t, dir, "good-")
	otherCA, _, _, otherCert, otherKey := certificates(t, dir, "other-")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if pemText, err := os.ReadFile(ca); err != nil || !pool.AppendCertsFromPEM(pemText) {
		t.Fatal("no authority")
	}
	serverTLS := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	mutual := serverTLS.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, pool

	tests := []struct {
		name   string
		server *tls.Config // nil: the server has no TLS
		tls    *TLS
		scheme string
		want   string // "": connected
	}{
		{"verified", serverTLS, &TLS{CAFile: ca}, "tls", ""},
		{"verified, nats scheme", serverTLS, &TLS{CAFile: ca}, "nats", ""},
		{"server_name", serverTLS, &TLS{CAFile: ca, ServerName: "nats.example"}, "tls", ""},
		{"wrong server_name", serverTLS, &TLS{CAFile: ca, ServerName: "other.example"}, "tls", "not other.example"},
		{"unknown authority by default", serverTLS, nil, "tls", "unknown authority"},
		{"another authority", serverTLS, &TLS{CAFile: otherCA}, "tls", "certificate"},
		{"not verified on demand", serverTLS, &TLS{InsecureSkipVerify: true}, "tls", ""},
		{"client certificate", mutual, &TLS{CAFile: ca, CertFile: clientCert, KeyFile: clientKey}, "tls", ""},
		{"no client certificate", mutual, &TLS{CAFile: ca}, "tls", "connect to"},
		{"foreign client certificate", mutual, &TLS{CAFile: ca, CertFile: otherCert, KeyFile: otherKey}, "tls", "connect to"},
		{"never plain text when TLS is asked for", nil, &TLS{CAFile: ca}, "nats", "secure connection not available"},
		{"never plain text with tls://", nil, nil, "tls", "secure connection not available"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := startServer(t, server.Options{TLS: test.server != nil, TLSConfig: test.server, TLSTimeout: 2})
			c := config(strings.Replace(s.url(), "nats", test.scheme, 1))
			c.TLS = test.tls
			if test.want != "" {
				c.Timeout = 2 * time.Second
			}
			o := open(t, c, pipeline.Env{})
			if test.want == "" {
				wantDelivery(t, o)
				return
			}
			wantRetry(t, o.Write(deadline(t), outputtest.Events(0, 1)), test.want)
		})
	}
}

// permissions are a server's users with what they may do; all have the password "p".
func users(list map[string]*server.Permissions) []*server.User {
	var all []*server.User
	for name, permissions := range list {
		all = append(all, &server.User{Username: name, Password: "p", Permissions: permissions})
	}
	return all
}

func subjects(allow ...string) *server.SubjectPermission {
	return &server.SubjectPermission{Allow: allow}
}

func TestSubjectsThatAreNotPermitted(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true, Users: users(map[string]*server.Permissions{
		"admin": nil,
		// May publish for one account only, and may not ask for the stream.
		"trail": {Publish: subjects("audit.111122223333.>"), Subscribe: subjects("_INBOX.>")},
	})})
	admin := nats.UserInfo("admin", "p")
	makeStream(t, s.url(), jetstream.StreamConfig{Name: "AUDIT", Subjects: []string{"audit.>"}}, admin)
	for _, mode := range []string{"core", "stream"} {
		t.Run(mode, func(t *testing.T) {
			l := listen(t, s.url(), "audit.>", admin)
			c := config(s.url())
			c.User, c.Password = "trail", "p"
			if mode == "stream" {
				c.Stream = "AUDIT"
			}
			o := open(t, c, pipeline.Env{Name: mode})
			events := outputtest.Events(0, 50) // every second one is of another account
			begin := time.Now()
			failed := failures(t, o.Write(deadline(t), events))
			if took := time.Since(begin); took > c.Timeout {
				t.Errorf("the refusals took %v: they were waited for", took)
			}
			for i := range events {
				err, bad := failed[i]
				if permitted := i%2 == 0; permitted == bad {
					t.Errorf("event %d: permitted %v, failed with %v", i, permitted, err)
				}
				if bad {
					wantRetry(t, err, "audit.123456789012.eu-west-1.ssm")
				}
			}
			if got := len(l.messages(t)); got != 25 {
				t.Errorf("got %d messages, want 25", got)
			}
		})
	}
}

func TestConfirmationsThatAreNotPermitted(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true, Users: users(map[string]*server.Permissions{
		"trail": {Publish: subjects("audit.>", "$JS.API.>"), Subscribe: subjects("_INBOX_trail.>")},
	})})
	c := streamConfig(s.url())
	c.User, c.Password, c.Timeout = "trail", "p", time.Second
	wantRetry(t, open(t, c, pipeline.Env{}).Write(deadline(t), outputtest.Events(0, 1)), "inbox_prefix")
	c.InboxPrefix = "_INBOX_trail"
	wantDelivery(t, open(t, c, pipeline.Env{}))
}

func TestEmbeddedServerAsksForTheOutputsPassword(t *testing.T) {
	c := streamConfig("")
	c.URL = nil
	c.User, c.PasswordFile = "trail", writeFile(t, t.TempDir(), "password", []byte("s3cret\n"))
	c.Embedded, c.Start = &embedded.Config{StoreDir: t.TempDir(), Listen: "127.0.0.1:-1"}, natsserver.Start
	var log logged
	o := open(t, c, pipeline.Env{Log: log.logger()})
	wantDelivery(t, o)
	if nc, err := nats.Connect(o.Server().ClientURL()); err == nil {
		nc.Close()
		t.Error("connected without password")
	}
	if text := log.String(); !strings.Contains(text, o.Server().ClientURL()) || strings.Contains(text, "s3cret") {
		t.Errorf("the log does not say where the server listens, or prints its password:\n%s", text)
	}
}

func TestServerThatTheProgramHasStarted(t *testing.T) {
	shared, err := natsserver.Start(embedded.Config{StoreDir: t.TempDir(), Listen: "127.0.0.1:-1"}, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Shutdown()
	for _, name := range []string{"a", "b"} {
		c := streamConfig("")
		c.URL, c.Server = nil, shared
		o := open(t, c, pipeline.Env{Name: name})
		wantDelivery(t, o)
		closeOutput(t, o)
	}
	if got := len(stored(t, shared.ClientURL(), "AUDIT")); got != 2 {
		t.Errorf("the stream holds %d messages, want one of each output", got)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		set  func(*Config)
		want string
	}{
		{"no url", func(c *Config) { c.URL = nil }, "url: no server is given"},
		{"url and embedded", func(c *Config) { c.Embedded = &embedded.Config{} }, "url: url and embedded exclude"},
		{"scheme", func(c *Config) { c.URL = []string{"http://u:pw@a:1"} }, `"http://u:xxxxx@a:1"`},
		{"list in one", func(c *Config) { c.URL = []string{"nats://a:1,nats://b:1"} }, "url"},
		{"no url at all", func(c *Config) { c.URL = []string{"nats://u:pw%zz@a:1"} }, "url: not a URL"},
		{"no subject", func(c *Config) { c.Subject = conf.Text{} }, "subject: no subject"},
		{"stream name", func(c *Config) { c.Stream = "A.B" }, "stream:"},
		{"create without stream", func(c *Config) { c.Create = true }, "create:"},
		{"window", func(c *Config) { c.MaxInFlight = 1 << 20 }, "max_in_flight:"},
		{"timeout", func(c *Config) { c.Timeout = -1 }, "timeout:"},
		{"duplicates", func(c *Config) { c.MaxAge, c.DuplicateWindow = time.Minute, 2*time.Minute }, "duplicate_window:"},
		{"replicas", func(c *Config) { c.Replicas = 6 }, "replicas:"},
		{"too large", func(c *Config) { c.OnTooLarge = "drop" }, "on_too_large:"},
		{"two ways", func(c *Config) { c.User, c.Token = "u", "t" }, "user and token exclude"},
		{"two passwords", func(c *Config) { c.User, c.Password, c.PasswordFile = "u", "p", "f" }, "password_file:"},
		{"no user", func(c *Config) { c.Password = "p" }, "password: a password is given without user"},
		{"half a pair", func(c *Config) { c.TLS = &TLS{CertFile: "c"} }, "cert_file and key_file"},
		{"inbox", func(c *Config) { c.InboxPrefix = "a.>" }, "inbox_prefix:"},
		{"open to all", func(c *Config) { c.URL, c.Embedded = nil, &embedded.Config{Listen: "0.0.0.0:4222"} }, "embedded.listen:"},
		{"embedded port", func(c *Config) { c.URL, c.Embedded = nil, &embedded.Config{Listen: "x"} }, "embedded.listen:"},
		{"embedded nkey", func(c *Config) { c.URL, c.Embedded, c.NkeyFile = nil, &embedded.Config{}, "n" }, "embedded:"},
	}
	for _, test := range tests {
		c := config("nats://127.0.0.1:4222")
		test.set(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", test.name, err, test.want)
		}
		if err != nil && (strings.Contains(err.Error(), ":pw@") || strings.Contains(err.Error(), "pw%")) {
			t.Errorf("%s: the error prints a password: %v", test.name, err)
		}
		if _, err := New(c, pipeline.Env{Name: "bus"}); err == nil {
			t.Errorf("%s: New takes it", test.name)
		}
	}
	c := config("tls://nats.example:4222")
	if err := c.Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
}
