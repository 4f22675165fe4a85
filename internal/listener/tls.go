package listener

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
)

// TLS is what users write under `tls` of an input that listens.
type TLS struct {
	CertFile     string `conf:"cert_file" required:"true" doc:"PEM file with the server's certificate and the intermediate ones. A renewed file is taken up without a restart." example:"/etc/trailcast/server.crt"`
	KeyFile      string `conf:"key_file" required:"true" doc:"PEM file with the certificate's private key." example:"/etc/trailcast/server.key"`
	ClientCAFile string `conf:"client_ca_file" doc:"PEM file with the authorities that clients' certificates must be from (mTLS). Without it clients need no certificate." example:"/etc/trailcast/clients.crt"`
}

// recheck is how old a certificate may be before its files are looked at again.
const recheck = 10 * time.Second

// Server returns the settings of a listener: TLS 1.2 or newer. Files that can not be read or do not fit are an error.
func (c *TLS) Server() (*tls.Config, error) {
	cert := &certificate{certFile: c.CertFile, keyFile: c.KeyFile}
	if _, err := cert.get(nil); err != nil {
		return nil, &conf.Error{Field: "tls.cert_file", Msg: err.Error()}
	}
	server := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get}
	if c.ClientCAFile == "" {
		return server, nil
	}
	pem, err := os.ReadFile(c.ClientCAFile)
	if err != nil {
		return nil, &conf.Error{Field: "tls.client_ca_file", Msg: err.Error()}
	}
	server.ClientCAs = x509.NewCertPool()
	if !server.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, &conf.Error{Field: "tls.client_ca_file", Msg: fmt.Sprintf("%s has no certificate in PEM form", c.ClientCAFile)}
	}
	server.ClientAuth = tls.RequireAndVerifyClientCert
	return server, nil
}

// certificate is read again when its files have changed.
type certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed [2]time.Time
	looked  time.Time
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded != nil && time.Since(c.looked) < recheck {
		return c.loaded, nil
	}
	c.looked = time.Now()
	changed, err := modified(c.certFile, c.keyFile)
	if err == nil && c.loaded != nil && changed == c.changed {
		return c.loaded, nil
	}
	var fresh tls.Certificate
	if err == nil {
		fresh, err = tls.LoadX509KeyPair(c.certFile, c.keyFile)
	}
	switch {
	case err == nil:
		c.loaded, c.changed = &fresh, changed
	case c.loaded == nil:
		return nil, err
	} // else a pair that is being written, or broken: the old one serves on
	return c.loaded, nil
}

func modified(files ...string) (times [2]time.Time, err error) {
	for i, name := range files {
		info, statErr := os.Stat(name)
		if statErr != nil {
			err = errors.Join(err, statErr)
			continue
		}
		times[i] = info.ModTime()
	}
	return times, err
}
