package httpin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/trailcast/trailcast/internal/conf"
)

// secret is a credential that is written in the configuration, or in a file that may change.
type secret struct {
	field string // of the file, for errors
	value conf.Secret
	file  string
}

func (s secret) set() bool { return s.value != "" || s.file != "" }

// get returns the secret; it is never empty.
func (s secret) get() (string, error) {
	if s.file == "" {
		return string(s.value), nil
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return "", err
	}
	value := strings.TrimRight(string(text), "\r\n")
	if value == "" {
		return "", fmt.Errorf("%s is empty", s.file)
	}
	return value, nil
}

// credential is one way in which a request may prove itself.
type credential struct {
	secret secret
	// claimed returns what the request carries in the secret's place, and whether what belongs to it (a user's name) is
	// right.
	claimed func(r *http.Request) (value string, ok bool)
}

// credentials returns those that a configuration asks for.
func (c *Config) credentials() []credential {
	var all []credential
	add := func(s secret, claimed func(r *http.Request) (string, bool)) {
		if s.set() {
			all = append(all, credential{s, claimed})
		}
	}
	add(secret{"access_key_file", c.AccessKey, c.AccessKeyFile}, inHeader(headerFirehoseKey))
	add(secret{"bearer_token_file", c.BearerToken, c.BearerTokenFile}, bearer)
	if b := c.Basic; b != nil {
		add(secret{"basic.password_file", b.Password, b.PasswordFile}, func(r *http.Request) (string, bool) {
			user, password, ok := r.BasicAuth()
			return password, equal(user, b.Username) && ok
		})
	}
	if k := c.APIKey; k != nil {
		add(secret{"api_key.value_file", k.Value, k.ValueFile}, inHeader(k.Header))
	}
	return all
}

func inHeader(name string) func(r *http.Request) (string, bool) {
	return func(r *http.Request) (string, bool) { return r.Header.Get(name), true }
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// equal compares in a time that tells neither how much of a is right nor how long b is.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// maxChecks bounds the files that are read at one time, for whoever asks.
const maxChecks = 16

// authentic reports whether a request has one of the credentials, or needs none. err says that a file could not be read,
// so that the answer no may be wrong.
func (in *Input) authentic(r *http.Request) (ok bool, err error) {
	if !in.config.guarded() || r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true, nil
	}
	in.checks <- struct{}{}
	defer func() { <-in.checks }()
	for _, c := range in.credentials {
		want, fault := c.secret.get()
		if fault != nil {
			err = errors.Join(err, fault)
			continue
		}
		value, proper := c.claimed(r)
		if equal(value, want) && proper {
			ok = true
		}
	}
	return ok, err
}

// challenge is the header WWW-Authenticate of a 401. SNS sends the password of a subscription's URL only after it.
func (in *Input) challenge() string {
	switch c := in.config; {
	case c.Basic != nil:
		return `Basic realm="trailcast", charset="UTF-8"`
	case c.BearerToken != "" || c.BearerTokenFile != "":
		return `Bearer realm="trailcast"`
	}
	return `Key realm="trailcast"`
}
