package httpin

import (
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/listener"
)

func basicOf(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestCredentials(t *testing.T) {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	all := Config{AccessKey: "access", BearerToken: "token", Basic: &Basic{Username: "user", Password: "password"}, APIKey: &APIKey{Header: "x-key", Value: "value"}}
	files := Config{AccessKeyFile: file("access\n"), BearerTokenFile: file("token"), Basic: &Basic{Username: "user", PasswordFile: file("password\r\n")}, APIKey: &APIKey{Header: "X-Key", ValueFile: file("value")}}
	basic, token, key := Config{Basic: all.Basic}, Config{BearerToken: "token"}, Config{APIKey: all.APIKey}
	for name, c := range map[string]struct {
		config  Config
		headers []string
		status  int
	}{
		"access key":       {all, []string{headerFirehoseKey, "access"}, 200},
		"bearer":           {all, []string{"Authorization", "Bearer token"}, 200},
		"bearer, small":    {all, []string{"Authorization", "bearer token"}, 200},
		"basic":            {all, []string{"Authorization", basicOf("user", "password")}, 200},
		"API key":          {all, []string{"X-Key", "value"}, 200},
		"one of two":       {all, []string{"X-Key", "value", "Authorization", "Bearer wrong"}, 200},
		"file: access key": {files, []string{headerFirehoseKey, "access"}, 200},
		"file: bearer":     {files, []string{"Authorization", "Bearer token"}, 200},
		"file: basic":      {files, []string{"Authorization", basicOf("user", "password")}, 200},
		"file: API key":    {files, []string{"X-Key", "value"}, 200},

		"nothing":              {all, nil, 401},
		"empty ones":           {all, []string{headerFirehoseKey, "", "X-Key", "", "Authorization", ""}, 401},
		"an empty token":       {all, []string{"Authorization", "Bearer "}, 401},
		"an empty password":    {all, []string{"Authorization", basicOf("user", "")}, 401},
		"another password":     {all, []string{"Authorization", basicOf("user", "Password")}, 401},
		"a longer password":    {all, []string{"Authorization", basicOf("user", "password1")}, 401},
		"another user":         {all, []string{"Authorization", basicOf("root", "password")}, 401},
		"no user":              {all, []string{"Authorization", basicOf("", "password")}, 401},
		"a token as password":  {all, []string{"Authorization", basicOf("user", "token")}, 401},
		"another scheme":       {all, []string{"Authorization", "Digest token"}, 401},
		"no scheme":            {all, []string{"Authorization", "token"}, 401},
		"keys exchanged":       {all, []string{headerFirehoseKey, "value", "X-Key", "access"}, 401},
		"a part":               {all, []string{headerFirehoseKey, "acces"}, 401},
		"basic, but a token":   {basic, []string{"Authorization", "Bearer password"}, 401},
		"a token, but basic":   {token, []string{"Authorization", basicOf("user", "token")}, 401},
		"a key of other names": {key, []string{"X-Api-Key", "value"}, 401},
		"SNS without a topic":  {all, []string{headerSNSType, "Notification", headerSNSTopic, snsTopic}, 401},

		"SNS alone takes no posts": {Config{SNSTopics: []string{snsTopic}}, nil, 401},
		"nor Firehose":             {Config{SNSTopics: []string{snsTopic}}, []string{headerFirehoseID, "x", headerSNSType, "Notification", headerSNSTopic, snsTopic}, 401},
		"anonymous":                {Config{AllowAnonymous: true}, nil, 200},
		"anonymous with a key":     {Config{AllowAnonymous: true, AccessKey: "access"}, nil, 401},
		"anonymous with files":     {func() Config { c := files; c.AllowAnonymous = true; return c }(), nil, 401},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, c.config)
			got := s.post(trail("a"), c.headers...)
			got.want(t, c.status, "")
			if challenge := got.header.Get("WWW-Authenticate"); (c.status == 401) != (challenge != "") {
				t.Errorf("WWW-Authenticate is %q", challenge)
			}
			if c.status == 200 {
				s.one(trail("a"))
				return
			}
			s.nothing()
			for _, secret := range []string{"password", "token", "value", "access"} {
				if strings.Contains(s.logs.String(), secret) {
					t.Errorf("the log holds %q: %s", secret, s.logs)
				}
			}
		})
	}
}

// TestARefusalDoesNotWaitForTheBody holds that nothing is read from whom nobody knows.
func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	s := start(t, Config{AccessKey: accessKey})
	c := s.dial()
	if _, err := c.Write([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\nExpect: 100-continue\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 12)
	if _, err := c.Read(got); err != nil || string(got) != "HTTP/1.1 401" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRefusalsAreLoggedAtABoundedRate(t *testing.T) {
	s := start(t, Config{AccessKey: accessKey})
	for range 50 {
		s.post("").want(t, 401, "")
	}
	if n := strings.Count(s.logs.String(), "a request is refused"); n != 1 {
		t.Errorf("%d lines:\n%s", n, s.logs)
	}
}

func TestFilesOfSecretsMayChange(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	s := start(t, Config{AccessKeyFile: name})
	s.post(trail("a"), headerFirehoseKey, "first").want(t, 200, "")
	write("second\n")
	s.post(trail("a"), headerFirehoseKey, "first").want(t, 401, "")
	s.post(trail("a"), headerFirehoseKey, "second").want(t, 200, "")
	write("\n") // an empty one lets nobody in, and who was refused by it comes again
	s.post(trail("a"), headerFirehoseKey, "").want(t, 503, "")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	got := s.post(trail("a"), headerFirehoseKey, "second")
	got.want(t, 503, "")
	if strings.Contains(got.body, name) || !strings.Contains(s.logs.String(), name) {
		t.Errorf("answered %s, log %s", got.body, s.logs)
	}
	if _, err := New(Config{AccessKeyFile: name}, s.env()); err == nil || !strings.Contains(err.Error(), "access_key_file") {
		t.Errorf("New: %v", err)
	}
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	ca, cert, key := a.files()
	own, private := a.pair()
	stranger, strange := newAuthority(t).pair()
	client := func(s *site, c ...tls.Certificate) {
		s.url = strings.Replace(s.url, "http:", "https:", 1)
		s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool(), Certificates: c}, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	}
	proven := tls.Certificate{Certificate: [][]byte{own.Raw}, PrivateKey: private}
	wrong := tls.Certificate{Certificate: [][]byte{stranger.Raw}, PrivateKey: strange}

	t.Run("server", func(t *testing.T) {
		s := start(t, Config{TLS: &listener.TLS{CertFile: cert, KeyFile: key}, AccessKey: accessKey})
		client(s)
		s.firehose(firehoseBody(trail("a"))).wantFirehose(t, 200, "")
		s.post(trail("b")).want(t, 401, "")
		plain, err := s.try(strings.Replace(s.url, "https:", "http:", 1), trail("c"), headerFirehoseKey, accessKey)
		if err == nil && plain.status != 400 { // net/http's own answer to plain text
			t.Errorf("plain text is answered %d", plain.status)
		}
		s.one(trail("a"))
	})
	t.Run("HTTP/2", func(t *testing.T) {
		s := start(t, Config{TLS: &listener.TLS{CertFile: cert, KeyFile: key}, AccessKey: accessKey})
		client(s)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, strings.NewReader(trail("a")))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(headerFirehoseKey, accessKey)
		got, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = got.Body.Close()
		if got.ProtoMajor != 2 || got.StatusCode != 200 {
			t.Errorf("%s %d", got.Proto, got.StatusCode)
		}
	})
	t.Run("certificates only", func(t *testing.T) {
		s := start(t, Config{TLS: &listener.TLS{CertFile: cert, KeyFile: key, ClientCAFile: ca}})
		client(s, proven)
		s.post(trail("a")).want(t, 200, ok1)
		for _, c := range [][]tls.Certificate{nil, {wrong}} {
			client(s, c...)
			if got, err := s.try(s.url, trail("b")); err == nil {
				t.Errorf("answered %d", got.status)
			}
		}
	})
	t.Run("certificates or a key", func(t *testing.T) {
		s := start(t, Config{TLS: &listener.TLS{CertFile: cert, KeyFile: key, ClientCAFile: ca}, AccessKey: accessKey})
		client(s, proven)
		s.post(trail("a")).want(t, 200, ok1)
		client(s)
		s.post(trail("b")).want(t, 401, "")
		s.post(trail("b"), headerFirehoseKey, accessKey).want(t, 200, ok1)
		client(s, wrong)
		if got, err := s.try(s.url, trail("c"), headerFirehoseKey, accessKey); err == nil {
			t.Errorf("a certificate of others is answered %d", got.status)
		}
	})
}

func TestValidate(t *testing.T) {
	const topic = "arn:aws:sns:eu-west-1:123456789012:name"
	for name, c := range map[string]struct {
		config Config
		want   []string // parts of the error; none: no mistake
	}{
		"nothing":               {Config{}, nil},
		"a socket":              {Config{Listen: "/run/trailcast.sock"}, nil},
		"beyond the machine":    {Config{Listen: "0.0.0.0:80"}, []string{"whoever reaches 0.0.0.0:80 could write events", "allow_anonymous: true"}},
		"every interface":       {Config{Listen: ":80"}, []string{"whoever reaches"}},
		"localhost":             {Config{Listen: "localhost:80"}, nil},
		"anonymous":             {Config{Listen: ":80", AllowAnonymous: true}, nil},
		"access key":            {Config{Listen: ":80", AccessKey: "x"}, nil},
		"a file":                {Config{Listen: ":80", BearerTokenFile: "x"}, nil},
		"basic":                 {Config{Listen: ":80", Basic: &Basic{Username: "a", Password: "b"}}, nil},
		"API key":               {Config{Listen: ":80", APIKey: &APIKey{Header: "X-Key", Value: "b"}}, nil},
		"topics":                {Config{Listen: ":80", SNSTopics: []string{topic}}, nil},
		"client certificates":   {Config{Listen: ":80", TLS: &listener.TLS{ClientCAFile: "x"}}, nil},
		"TLS alone":             {Config{Listen: ":80", TLS: &listener.TLS{}}, []string{"whoever reaches"}},
		"no port":               {Config{Listen: "127.0.0.1"}, []string{"listen: "}},
		"key twice":             {Config{AccessKey: "x", AccessKeyFile: "y"}, []string{"access_key_file: access_key and access_key_file exclude each other"}},
		"token twice":           {Config{BearerToken: "x", BearerTokenFile: "y"}, []string{"bearer_token_file: "}},
		"basic without":         {Config{Basic: &Basic{}}, []string{"basic.username: ", "basic.password: "}},
		"basic twice":           {Config{Basic: &Basic{Username: "a:b", Password: "x", PasswordFile: "y"}}, []string{"basic.username: ", "basic.password_file: "}},
		"API key without":       {Config{APIKey: &APIKey{}}, []string{"api_key.header: ", "api_key.value: "}},
		"API key elsewhere":     {Config{APIKey: &APIKey{Header: "authorization", Value: "x", ValueFile: "y"}}, []string{"api_key.header: ", "api_key.value_file: "}},
		"a header of two lines": {Config{APIKey: &APIKey{Header: "X\r\nY", Value: "x"}}, []string{"api_key.header: "}},
		"paths":                 {Config{Paths: []string{"", "x", "/x?y"}}, []string{`"" is no path`, `"x" is no path`, `"/x?y" is no path`}},
		"escaped paths":         {Config{Paths: []string{"/a%20b", "//x", "/a:b@c,d"}}, nil},
		"paths of no URL":       {Config{Paths: []string{"/a b", "/é", "/%zz"}}, []string{`"/a b" never stands so in a URL, but as /a%20b`, "/%C3%A9", `"/%zz" is no path: invalid URL escape "%zz"`}},
		"topic patterns":        {Config{SNSTopics: []string{topic, "arn:aws*:sns:*:123456789012:trail-*"}}, nil},
		"topics of all":         {Config{SNSTopics: []string{"arn:aws:sns:*:*:*", "*", "arn:aws:sns:*:12345678901?:x"}}, []string{`"arn:aws:sns:*:*:*" names no account`, `"*" is not like`, `?:x" names no account`}},
		"other ARNs":            {Config{SNSTopics: []string{"arn:aws:sqs:eu-west-1:123456789012:q", topic + ":subscription", "arn:aws:sns:eu-west-1:123456789012:"}}, []string{"q\" is not", "subscription\" is not", ":\" is not"}},
		"a bad pattern":         {Config{SNSTopics: []string{topic + "[", topic + "[a-]"}}, []string{"is no pattern"}},
		"negative numbers":      {Config{MaxBody: -1, MaxDecompressed: -1, MaxBuffered: -1, MaxRequests: -1, MaxConnections: -1}, []string{"max_body: ", "max_decompressed: ", "max_buffered: ", "max_requests: ", "max_connections: "}},
		"negative times":        {Config{HeaderTimeout: -1, ReadTimeout: -1, IdleTimeout: -1, Timeout: -1, SNSMaxAge: -1}, []string{"header_timeout: ", "read_timeout: ", "idle_timeout: ", "timeout: ", "sns_max_age: "}},
		"no room":               {Config{MaxBody: 300 << 20}, []string{"max_buffered: "}},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.config.Validate()
			if (err == nil) != (len(c.want) == 0) {
				t.Fatalf("got %v", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in: %v", part, err)
				}
			}
		})
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	if s := (conf.Secret("x")).String(); s != "***" {
		t.Error(s)
	}
	err := (&Config{Listen: ":80", AccessKey: "hidden", AccessKeyFile: "f"}).Validate()
	if strings.Contains(err.Error(), "hidden") {
		t.Error(err)
	}
}
