// Package natsconn is how connections to NATS are made secure and who they are: what the input and the output have in
// common.
package natsconn

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/trailcast/trailcast/internal/conf"
)

// TLS is how connections are secured.
type TLS struct {
	CAFile             string `conf:"ca_file" doc:"Authorities that the server's certificate is verified against, PEM."`
	CertFile           string `conf:"cert_file" doc:"Client certificate, PEM, read at each connect."`
	KeyFile            string `conf:"key_file" doc:"Key of the client certificate, PEM."`
	ServerName         string `conf:"server_name" doc:"Name that the server's certificate must have. Default: the host of the URL."`
	InsecureSkipVerify bool   `conf:"insecure_skip_verify" doc:"Do not verify the server. Anyone on the way can read and change the events."`
}

// Identity is who a connection is, and how it is secured: the keys that all components with a connection have.
type Identity struct {
	TLS          *TLS        `conf:"tls" doc:"TLS settings. Servers are verified against the system's authorities unless ca_file is given."`
	User         string      `conf:"user" doc:"User name."`
	Password     conf.Secret `conf:"password" doc:"Password of user."`
	PasswordFile string      `conf:"password_file" doc:"File with the password, read at each connect."`
	Token        conf.Secret `conf:"token" doc:"Authentication token."`
	TokenFile    string      `conf:"token_file" doc:"File with the token, read at each connect."`
	NkeyFile     string      `conf:"nkey_file" doc:"File with an nkey seed, read at each connect." example:"/etc/trailcast/user.nk"`
	CredsFile    string      `conf:"creds_file" doc:"Credentials file (JWT and seed), read at each connect." example:"/etc/trailcast/user.creds"`
	Name         string      `conf:"name" doc:"Name of the connection in the server's monitoring. Default: trailcast/ and the component's name."`
	InboxPrefix  string      `conf:"inbox_prefix" doc:"Prefix of the subjects that answers and confirmations arrive on, where permissions ask for one of its own. Default: _INBOX." example:"_INBOX_trailcast"`
}

// Validate returns the mistakes in an identity as errors about the keys of its configuration. Files are not looked at.
func (c *Identity) Validate() []error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, conf.FieldErrorf(field, format, args...))
	}
	if c.Password != "" && c.PasswordFile != "" {
		wrong("password_file", "password and password_file exclude each other")
	}
	if c.Token != "" && c.TokenFile != "" {
		wrong("token_file", "token and token_file exclude each other")
	}
	if c.User == "" && (c.Password != "" || c.PasswordFile != "") {
		field := "password"
		if c.Password == "" {
			field = "password_file"
		}
		wrong(field, "a password is given without user")
	}
	var ways []string
	for _, way := range []struct {
		field string
		given bool
	}{
		{"user", c.User != ""},
		{"token", c.Token != "" || c.TokenFile != ""},
		{"nkey_file", c.NkeyFile != ""},
		{"creds_file", c.CredsFile != ""},
	} {
		if way.given {
			ways = append(ways, way.field)
		}
	}
	if len(ways) > 1 {
		wrong(ways[1], "%s exclude each other", strings.Join(ways, " and "))
	}
	if c.TLS != nil && (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		wrong("tls", "cert_file and key_file belong together")
	}
	return errs
}

// ValidateURLs returns the mistakes in the URLs of servers.
func ValidateURLs(urls []string) []error {
	var errs []error
	for _, text := range urls {
		u, err := url.Parse(text)
		switch {
		case err != nil:
			// The error would print the URL, which may hold a password.
			errs = append(errs, conf.FieldErrorf("url", "not a URL (for example nats://127.0.0.1:4222)"))
		case u.Host == "" || strings.Contains(u.Hostname(), ","):
			errs = append(errs, conf.FieldErrorf("url",
				"%q is not like nats://host:4222; several servers are a list", u.Redacted()))
		case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss":
			errs = append(errs, conf.FieldErrorf("url", "%q: the scheme is none of nats, tls, ws, wss", u.Redacted()))
		}
	}
	return errs
}

// Options are the options of every connection. All files are read once here, so that a wrong one is found at the
// start, and again at each connect, so that renewed ones are taken.
func Options(cfg Identity, warn func(string, ...any)) ([]nats.Option, error) {
	options := []nats.Option{nats.Name(cfg.Name)}
	if cfg.InboxPrefix != "" {
		options = append(options, nats.CustomInboxPrefix(cfg.InboxPrefix))
	}
	if cfg.TLS != nil {
		secure, err := tlsConfig(cfg.TLS)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		options = append(options, nats.Secure(secure))
	}
	auth, err := authOption(cfg, warn)
	if err != nil {
		return nil, err
	}
	if auth != nil {
		options = append(options, auth)
	}
	return options, nil
}

func authOption(cfg Identity, warn func(string, ...any)) (nats.Option, error) {
	switch {
	case cfg.User != "":
		password, err := secret(string(cfg.Password), cfg.PasswordFile, warn)
		if err != nil {
			return nil, fmt.Errorf("password_file: %w", err)
		}
		return nats.UserInfoHandler(func() (string, string) { return cfg.User, password() }), nil
	case cfg.Token != "" || cfg.TokenFile != "":
		token, err := secret(string(cfg.Token), cfg.TokenFile, warn)
		if err != nil {
			return nil, fmt.Errorf("token_file: %w", err)
		}
		return nats.TokenHandler(token), nil
	case cfg.NkeyFile != "":
		option, err := nats.NkeyOptionFromSeed(cfg.NkeyFile)
		if err != nil {
			return nil, fmt.Errorf("nkey_file %s: %w", cfg.NkeyFile, err)
		}
		return option, nil
	case cfg.CredsFile != "":
		if _, err := os.ReadFile(cfg.CredsFile); err != nil {
			return nil, fmt.Errorf("creds_file: %w", err)
		}
		return nats.UserCredentials(cfg.CredsFile), nil
	}
	return nil, nil
}

// secret returns a function that gives a value, or the first line of a file as it is now. While the file can not be
// read the last value stays.
func secret(value, file string, warn func(string, ...any)) (func() string, error) {
	if file == "" {
		return func() string { return value }, nil
	}
	last, err := FirstLine(file)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		now, err := FirstLine(file)
		if err != nil {
			warn("can not read a secret again, the last one is used", "err", err)
			return last
		}
		last = now
		return now
	}, nil
}

// FirstLine returns the first line of a file.
func FirstLine(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("%s: the first line is empty", file)
	}
	return line, nil
}

func tlsConfig(c *TLS) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.InsecureSkipVerify,
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %s: no certificate in PEM form", c.CAFile)
		}
	}
	if c.CertFile == "" {
		return config, nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		return &pair, nil
	}
	if _, err := load(); err != nil {
		return nil, err
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return config, nil
}
