// Package httpin takes events by HTTP: from Amazon Data Firehose's HTTP endpoint delivery, from EventBridge API
// destinations, from Amazon SNS's HTTP/S subscriptions, and from whoever posts JSON.
//
// A request is answered with 200 when all its events are delivered or in quarantine, and with 503 when they are not: each
// of these senders repeats it then. A body is read to its end before any of it is fed.
package httpin

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/listener"
	"github.com/trailcast/trailcast/internal/splitconf"
)

// Config is what users write under `http`.
type Config struct {
	Listen string   `conf:"listen" default:"127.0.0.1:8088" doc:"Address and port to listen on, or the path of a Unix socket." example:"0.0.0.0:8443"`
	Paths  []string `conf:"paths" doc:"Paths that events may be posted to, exactly as they stand in the URL. Others are answered with 404. Default: /." example:"[/firehose, /sns]"`

	TLS           *listener.TLS `conf:"tls" doc:"TLS settings. Firehose and EventBridge post by HTTPS only. Where other credentials are set beside client_ca_file, a client without a certificate may use one of those."`
	AccessKey     conf.Secret   `conf:"access_key" doc:"Access key of Firehose streams (header X-Amz-Firehose-Access-Key)."`
	AccessKeyFile string        `conf:"access_key_file" doc:"File with the access key, read at each request."`

	Basic           *Basic      `conf:"basic" doc:"User and password of HTTP's basic authentication, as an EventBridge connection or the URL of an SNS subscription has them."`
	BearerToken     conf.Secret `conf:"bearer_token" doc:"Token of the header Authorization: Bearer. It is compared as it is, not looked into."`
	BearerTokenFile string      `conf:"bearer_token_file" doc:"File with the bearer token, read at each request."`
	APIKey          *APIKey     `conf:"api_key" doc:"A header and its secret value, as an EventBridge connection of type API key sends them."`

	SNSTopics []string      `conf:"sns_topics" doc:"ARNs of the SNS topics whose signed messages are taken without other credentials, and whose subscriptions are confirmed. * stands for any region or name, not for an account." example:"[\"arn:aws:sns:eu-west-1:123456789012:cloudtrail\"]"`
	SNSMaxAge time.Duration `conf:"sns_max_age" default:"2h" doc:"Older SNS messages are refused, so that who has recorded one cannot send it again later. SNS itself repeats a message for up to an hour."`

	AllowAnonymous bool `conf:"allow_anonymous" doc:"Listen beyond this machine although clients need neither credentials nor a certificate: whoever reaches the port can then write events."`

	splitconf.Config
	MaxBody         conf.Size `conf:"max_body" default:"64MiB" doc:"Largest body as it is sent. A larger one is answered with 413; to Firehose with 400, since it drops what is answered with 413."`
	MaxDecompressed conf.Size `conf:"max_decompressed" default:"256MiB" doc:"Largest size of a compressed body, or of one compressed Firehose record, when unpacked; what exceeds it goes to quarantine. A Firehose request as a whole that exceeds it is answered with 400."`
	MaxBuffered     conf.Size `conf:"max_buffered" default:"256MiB" doc:"What the bodies of all requests may hold together. Beyond it requests are answered with 503."`
	MaxRequests     int       `conf:"max_requests" default:"256" doc:"Requests at one time; further ones are answered with 503."`
	MaxConnections  int       `conf:"max_connections" default:"1024" doc:"Connections at one time; further ones wait."`

	HeaderTimeout time.Duration `conf:"header_timeout" default:"10s" doc:"How long the handshake of TLS, and then the header of a request, may take."`
	ReadTimeout   time.Duration `conf:"read_timeout" default:"30s" doc:"How long the next 64KiB of a body may take."`
	IdleTimeout   time.Duration `conf:"idle_timeout" default:"2m" doc:"When a connection without a request is closed."`
	Timeout       time.Duration `conf:"timeout" default:"1m" doc:"How long the delivery of a request's events may take before it is answered with 503, so that it comes again. Those that are delivered later are then repeats."`
}

// Basic are credentials of HTTP's basic authentication.
type Basic struct {
	Username     string      `conf:"username" required:"true" doc:"User name." example:"eventbridge"`
	Password     conf.Secret `conf:"password" doc:"Password of the user."`
	PasswordFile string      `conf:"password_file" doc:"File with the password, read at each request."`
}

// APIKey is a secret in a header of the user's choice.
type APIKey struct {
	Header    string      `conf:"header" required:"true" doc:"Name of the header." example:"X-Api-Key"`
	Value     conf.Secret `conf:"value" doc:"What the header must hold."`
	ValueFile string      `conf:"value_file" doc:"File with the value, read at each request."`
}

// Validate returns all mistakes in c. Files are not looked at.
func (c *Config) Validate() error {
	errs := c.Mistakes()
	wrong := func(field, format string, args ...any) { errs = append(errs, conf.FieldErrorf(field, format, args...)) }
	network, address := c.address()
	host := ""
	if network == "tcp" {
		var port string
		var err error
		if host, port, err = net.SplitHostPort(address); err != nil || port == "" {
			wrong("listen", "%q is neither like 127.0.0.1:8088 nor the path of a Unix socket", c.Listen)
		}
	}
	for _, p := range c.Paths {
		if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "?#") {
			wrong("paths", "%q is no path: it must begin with / and have neither ? nor #", p)
		} else if u, err := url.ParseRequestURI(p); err != nil {
			wrong("paths", "%q is no path: %v", p, errors.Unwrap(err))
		} else if asked := u.EscapedPath(); asked != p {
			wrong("paths", "%q never stands so in a URL, but as %s", p, asked)
		}
	}
	c.checkCredentials(wrong)
	for _, t := range c.SNSTopics {
		if msg := wrongTopic(t); msg != "" {
			wrong("sns_topics", "%q %s", t, msg)
		}
	}
	if network == "tcp" && !listener.Loopback(host) && !c.guarded() && !c.AllowAnonymous {
		errs = append(errs, &conf.Error{Field: "listen", Msg: "whoever reaches " + address + " could write events",
			Hint: "set access_key, basic, bearer_token, api_key, sns_topics, or tls.client_ca_file, or allow_anonymous: true"})
	}
	for field, n := range map[string]int64{
		"max_body": int64(c.MaxBody), "max_decompressed": int64(c.MaxDecompressed), "max_buffered": int64(c.MaxBuffered),
		"max_requests": int64(c.MaxRequests), "max_connections": int64(c.MaxConnections),
	} {
		if n < 0 {
			wrong(field, "%d is negative", n)
		}
	}
	for field, d := range map[string]time.Duration{
		"header_timeout": c.HeaderTimeout, "read_timeout": c.ReadTimeout, "idle_timeout": c.IdleTimeout,
		"timeout": c.Timeout, "sns_max_age": c.SNSMaxAge,
	} {
		if d < 0 {
			wrong(field, "%v is negative", d)
		}
	}
	if full := c.withDefaults(); full.MaxBody >= full.MaxBuffered {
		wrong("max_buffered", "%d is not more than max_body (%d): such a body would never be taken", full.MaxBuffered, full.MaxBody)
	}
	return errors.Join(errs...)
}

func (c *Config) checkCredentials(wrong func(field, format string, args ...any)) {
	one := func(prefix, name string, value conf.Secret, file string, needed bool) {
		switch {
		case value != "" && file != "":
			wrong(prefix+name+"_file", "%s and %s_file exclude each other", name, name)
		case value == "" && file == "" && needed:
			wrong(prefix+name, "%s is missing", name)
		}
	}
	one("", "access_key", c.AccessKey, c.AccessKeyFile, false)
	one("", "bearer_token", c.BearerToken, c.BearerTokenFile, false)
	if b := c.Basic; b != nil {
		one("basic.", "password", b.Password, b.PasswordFile, true)
		if b.Username == "" || strings.ContainsRune(b.Username, ':') {
			wrong("basic.username", "a user name is not empty and has no colon")
		}
	}
	if k := c.APIKey; k != nil {
		one("api_key.", "value", k.Value, k.ValueFile, true)
		if !isHeaderName(k.Header) || strings.EqualFold(k.Header, "Authorization") {
			wrong("api_key.header", "%q is no name of a header that can hold a key (for Authorization there are basic and bearer_token)", k.Header)
		}
	}
}

func isHeaderName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// wrongTopic says what is wrong with an entry of sns_topics; "" where nothing is.
func wrongTopic(pattern string) string {
	arn, ok := record.ParseARN(pattern)
	if !ok || arn.Service != "sns" || arn.Resource == "" || strings.ContainsRune(arn.Resource, ':') {
		return "is not like arn:aws:sns:eu-west-1:123456789012:name"
	}
	if len(arn.Account) != 12 || strings.Trim(arn.Account, "0123456789") != "" {
		return "names no account: whoever has one could send"
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return "is no pattern: " + err.Error()
	}
	return ""
}

// topicAllowed reports whether a topic is in sns_topics. A * matches within one part of the ARN.
func (c *Config) topicAllowed(topic string) bool {
	parts := strings.Split(topic, ":")
	return slices.ContainsFunc(c.SNSTopics, func(pattern string) bool {
		wanted := strings.Split(pattern, ":")
		if len(parts) != len(wanted) {
			return false
		}
		for i := range wanted {
			if ok, err := path.Match(wanted[i], parts[i]); !ok || err != nil {
				return false
			}
		}
		return true
	})
}

// secrets reports whether there are credentials that a request carries in its header.
func (c *Config) secrets() bool {
	return c.AccessKey != "" || c.AccessKeyFile != "" || c.Basic != nil || c.BearerToken != "" || c.BearerTokenFile != "" ||
		c.APIKey != nil
}

// mutual reports whether a client's certificate is a credential.
func (c *Config) mutual() bool { return c.TLS != nil && c.TLS.ClientCAFile != "" }

// guarded reports whether not everybody may send.
func (c *Config) guarded() bool { return c.secrets() || c.mutual() || len(c.SNSTopics) > 0 }

// address returns where to listen, as net.Listen takes it.
func (c *Config) address() (network, address string) {
	return listener.Address(cmp.Or(c.Listen, "127.0.0.1:8088"))
}

// maxWindow is the largest zstd window: twice what RFC 8878 asks of every decoder, and zstd uses without --ultra or --long.
const maxWindow = 16 << 20

// unpackers is how many requests may unpack while they are split, which takes up to twice the largest record and then
// once more while it is copied: so many as have room in another max_buffered, and one at least.
func (c *Config) unpackers() int {
	each := 3*int64(min(c.MaxRecord, c.MaxDecompressed)) + maxWindow
	return int(max(1, int64(c.MaxBuffered)/each))
}

// withDefaults fills in what a program that makes a Config itself has left out.
func (c Config) withDefaults() Config {
	if len(c.Paths) == 0 {
		c.Paths = []string{"/"}
	}
	c.SNSMaxAge = cmp.Or(c.SNSMaxAge, 2*time.Hour)
	c.MaxBody = cmp.Or(c.MaxBody, 64<<20)
	c.MaxDecompressed = cmp.Or(c.MaxDecompressed, 256<<20)
	c.MaxBuffered = cmp.Or(c.MaxBuffered, 256<<20)
	c.MaxRequests = cmp.Or(c.MaxRequests, 256)
	c.MaxConnections = cmp.Or(c.MaxConnections, 1024)
	c.MaxRecord = cmp.Or(c.MaxRecord, 16<<20)
	c.HeaderTimeout = cmp.Or(c.HeaderTimeout, 10*time.Second)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 30*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 2*time.Minute)
	c.Timeout = cmp.Or(c.Timeout, time.Minute)
	return c
}
