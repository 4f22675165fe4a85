package httpin

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" // #nosec G505 -- signature version 1 of SNS
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// trust decides whether a message comes from SNS.
//
// What is proved is the server that a certificate is fetched from: an SNS host of the topic's region, by TLS and the
// system's authorities, with no redirect. The certificate itself must be within its validity, name SNS and have an RSA
// key of 2048 bits or more. Its own chain is not verified: the file holds the certificate alone, without the intermediate
// ones. AWS's SDK for Java (sns-message-manager) checks the same.
type trust struct {
	client *http.Client
	places chan struct{} // requests to AWS at one time
	wait   time.Duration // for a place

	mu    sync.Mutex
	known map[string]verdict // by SigningCertURL
}

// verdict is a certificate, or why there is none at present.
type verdict struct {
	cert  *x509.Certificate
	err   error
	until time.Time
}

const (
	trustTimeout  = 10 * time.Second // of one request to AWS
	trustWait     = 5 * time.Second  // before it; SNS waits 15 s for its answer
	trustRequests = 2
	maxKnown      = 32
	keepCert      = 24 * time.Hour
	keepFailure   = 10 * time.Second // SNS repeats after 20 s
	maxCertFile   = 64 << 10
	minKeyBits    = 2048
)

func newTrust() *trust {
	return &trust{
		client: &http.Client{
			Timeout: trustTimeout,
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
				DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		places: make(chan struct{}, trustRequests),
		wait:   trustWait,
		known:  map[string]verdict{},
	}
}

// errUntold is a message that may be genuine: it is to come again.
var errUntold = errors.New("the SNS message can not be checked or confirmed at present")

// verify is nil for a message that SNS has signed. The error is a refusal, or wraps errUntold.
func (t *trust) verify(ctx context.Context, m *snsMessage, maxAge time.Duration) error {
	host, err := snsHost(m.topic)
	if err != nil {
		return err
	}
	if err := m.fresh(maxAge); err != nil {
		return err
	}
	if !isCertURL(m.certURL, host) {
		return refuse(http.StatusForbidden, "the SigningCertURL of the SNS message is not that of SNS in the topic's region")
	}
	signature, err := base64.StdEncoding.DecodeString(m.signature)
	if err != nil {
		return refuse(http.StatusForbidden, "the signature of the SNS message can not be read")
	}
	var method crypto.Hash
	var digest []byte
	switch text := m.canonical(); m.version {
	case "1":
		sum := sha1.Sum(text) // #nosec G401 -- what the topic's owner has chosen
		method, digest = crypto.SHA1, sum[:]
	case "2":
		sum := sha256.Sum256(text)
		method, digest = crypto.SHA256, sum[:]
	default:
		return refuse(http.StatusForbidden, "the SNS message has a signature version that is not known here")
	}
	cert, err := t.certificate(ctx, m.certURL, snsNames(m.topic, host))
	if err != nil {
		return fmt.Errorf("%w: %w", errUntold, err)
	}
	if rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), method, digest, signature) != nil {
		return refuse(http.StatusForbidden, "the signature of the SNS message is wrong")
	}
	return nil
}

// confirm confirms a subscription, whose message was verified.
func (t *trust) confirm(ctx context.Context, m *snsMessage) error {
	host, err := snsHost(m.topic)
	if err != nil {
		return err
	}
	if !isSubscribeURL(m, host) {
		return refuse(http.StatusForbidden, "the SubscribeURL of the SNS message is not that of SNS in the topic's region")
	}
	err = t.enter(ctx)
	if err == nil {
		defer t.leave()
		_, err = t.get(ctx, m.subscribeURL)
	}
	if err != nil {
		return fmt.Errorf("%w: confirm the subscription of %s: %w", errUntold, m.topic, err)
	}
	return nil
}

// snsHost is the host of SNS in a topic's region.
func snsHost(topic string) (string, error) {
	parts := topicARN.FindStringSubmatch(topic)
	if parts == nil {
		return "", refuse(http.StatusForbidden, "the TopicArn of the SNS message is no ARN of a topic")
	}
	return "sns." + parts[2] + "." + snsSuffix(parts[1]), nil
}

func snsSuffix(partition string) string {
	if partition == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// snsNames are the names that a signing certificate may have, of which it has one: sns.amazonaws.com in most regions, one
// with the region in China, GovCloud and the regions that are opted into (AWS SDK for Java, SnsHostProvider).
func snsNames(topic, host string) []string {
	parts := topicARN.FindStringSubmatch(topic)
	region, suffix := parts[2], snsSuffix(parts[1])
	if parts[1] == "aws-us-gov" {
		region = "us-gov-west-1" // for both
	}
	return []string{"sns." + suffix, host, "sns-signing." + region + "." + suffix, "sns-" + region + "." + suffix}
}

// isCertURL holds a SigningCertURL to the one form that SNS uses. It is compared as text, so that there is nothing to
// parse in two ways.
func isCertURL(s, host string) bool {
	name, ok := strings.CutPrefix(s, "https://"+host+"/SimpleNotificationService-")
	if !ok {
		return false
	}
	id, ok := strings.CutSuffix(name, ".pem")
	return ok && id != "" && len(id) <= 64 && strings.Trim(id, "0123456789abcdef") == ""
}

// isSubscribeURL holds a SubscribeURL to the confirmation of the message's own topic and token.
func isSubscribeURL(m *snsMessage, host string) bool {
	text, ok := strings.CutPrefix(m.subscribeURL, "https://"+host+"/?")
	if !ok || m.token == "" {
		return false
	}
	query, err := url.ParseQuery(text)
	if err != nil || len(query) != 3 {
		return false
	}
	for name, want := range map[string]string{"Action": "ConfirmSubscription", "TopicArn": m.topic, "Token": m.token} {
		if !slices.Equal(query[name], []string{want}) {
			return false
		}
	}
	return true
}

// certificate returns the certificate of a URL that isCertURL has passed.
func (t *trust) certificate(ctx context.Context, url string, names []string) (*x509.Certificate, error) {
	v, ok := t.recall(url)
	if !ok {
		if err := t.enter(ctx); err != nil {
			return nil, err
		}
		defer t.leave()
		if v, ok = t.recall(url); !ok { // and nobody has fetched it meanwhile
			v = t.fetch(ctx, url)
			if v.err != nil && ctx.Err() != nil { // this client has gone; that says nothing about the certificate
				return nil, v.err
			}
			t.keep(url, v)
		}
	}
	if v.err != nil {
		return nil, v.err
	}
	return v.cert, checkCertificate(v.cert, time.Now(), names)
}

// recall returns a verdict that still holds.
func (t *trust) recall(url string) (verdict, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.known[url]
	return v, ok && !time.Now().After(v.until)
}

// keep remembers a verdict. Where there are too many, the one that ends first goes: a failure, if there is any. Whoever
// invents URLs can make failures only.
func (t *trust) keep(url string, v verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.known[url]; !ok && len(t.known) >= maxKnown {
		drop := ""
		for u, k := range t.known {
			if drop == "" || k.until.Before(t.known[drop].until) {
				drop = u
			}
		}
		delete(t.known, drop)
	}
	t.known[url] = v
}

func (t *trust) fetch(ctx context.Context, url string) verdict {
	now := time.Now()
	cert, err := t.download(ctx, url)
	if err != nil {
		return verdict{err: err, until: now.Add(keepFailure)}
	}
	return verdict{cert: cert, until: now.Add(keepCert)}
}

func (t *trust) download(ctx context.Context, url string) (*x509.Certificate, error) {
	text, err := t.get(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", url, err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s is no certificate in PEM form", url)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() < minKeyBits {
		return nil, fmt.Errorf("%s has no RSA key of %d bits or more", url, minKeyBits)
	}
	return cert, nil
}

func checkCertificate(cert *x509.Certificate, now time.Time, names []string) error {
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return fmt.Errorf("the signing certificate is valid from %s to %s only (is the clock right?)",
			cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339))
	}
	has := cert.DNSNames
	if len(has) == 0 {
		has = []string{cert.Subject.CommonName}
	}
	if !slices.ContainsFunc(has, func(name string) bool { return slices.Contains(names, strings.ToLower(name)) }) {
		return fmt.Errorf("the signing certificate is for %q, not for SNS", has)
	}
	return nil
}

// enter waits for a place to ask AWS. That there is none says nothing about what was to be asked for.
func (t *trust) enter(ctx context.Context) error {
	late := time.NewTimer(t.wait)
	defer late.Stop()
	select {
	case t.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return errors.New("other requests to AWS take all the time that there is")
	}
}

func (t *trust) leave() { <-t.places }

// get fetches a small file, for who has a place. Errors do not hold the URL, which may hold a token.
func (t *trust) get(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, trustTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, withoutURL(err)
	}
	answer, err := t.client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answers with status %d", answer.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxCertFile+1))
	if err == nil && len(text) > maxCertFile {
		err = fmt.Errorf("more than %d bytes", maxCertFile)
	}
	return text, withoutURL(err)
}

func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
