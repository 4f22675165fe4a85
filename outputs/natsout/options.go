package natsout

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// connectOptions are the options of every connection. All files are read once here, so that a wrong one is found at the
// start, and again at each connect, so that renewed ones are taken.
func connectOptions(cfg Config, warn func(string, ...any)) ([]nats.Option, error) {
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

func authOption(cfg Config, warn func(string, ...any)) (nats.Option, error) {
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
	last, err := firstLine(file)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		now, err := firstLine(file)
		if err != nil {
			warn("can not read a secret again, the last one is used", "err", err)
			return last
		}
		last = now
		return now
	}, nil
}

func firstLine(file string) (string, error) {
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
