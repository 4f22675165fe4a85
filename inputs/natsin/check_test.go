package natsin

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/natsconn"
	"github.com/trailcast/trailcast/pipeline"
)

func TestCheck(t *testing.T) {
	const password = "s3cret-w0rd"
	users := []*server.User{
		{Username: "all", Password: password},
		{Username: "less", Password: password, Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Deny: []string{"$JS.API.>"}},
			Subscribe: &server.SubjectPermission{Deny: []string{"trail.>"}},
		}},
	}
	w := newWorld(t, server.Options{JetStream: true, Users: users}, nats.UserInfo("all", password))
	w.makeStream()
	away := startServer(t, server.Options{})
	away.stop()
	plain := startServer(t, server.Options{})

	tests := []struct {
		name   string
		change func(*Config)
		want   string // "" for no error
	}{
		{"consumer", func(c *Config) { c.Consumer = "there" }, ""},
		{"consumer that will be created", func(c *Config) { c.Create = true }, ""},
		{"no consumer", func(*Config) {}, "stream TRAIL has no consumer trailcast"},
		{"push consumer", func(c *Config) { c.Consumer = "push" }, "must be a pull consumer"},
		{"no stream", func(c *Config) { c.Stream = "OTHER" }, "stream OTHER: there is none"},
		{"no stream to create a consumer of", func(c *Config) { c.Stream, c.Create = "OTHER", true }, "stream OTHER: there is none"},
		{"wrong password", func(c *Config) { c.Password = "wrong" }, "Authorization Violation"},
		{"no permission for the stream", func(c *Config) { c.User = "less" }, "Permissions Violation"},
		{"no server", func(c *Config) { c.URL = []string{away.url()} }, "connect to NATS: "},
		{"no JetStream", func(c *Config) { c.URL, c.User, c.Password = []string{plain.url()}, "", "" }, "stream TRAIL, consumer trailcast: nats: "},
		{"core", func(c *Config) { c.Stream, c.Subject = "", "trail.>" }, ""},
		{"core, no permission", func(c *Config) { c.User, c.Stream, c.Subject = "less", "", "trail.>" }, "subject trail.>: nats: permissions violation"},
	}
	there := jetstream.ConsumerConfig{Durable: "there", AckPolicy: jetstream.AckExplicitPolicy}
	if _, err := w.js.CreateConsumer(w.deadline(), "TRAIL", there); err != nil {
		t.Fatal(err)
	}
	push := jetstream.ConsumerConfig{Durable: "push", AckPolicy: jetstream.AckExplicitPolicy, DeliverSubject: "push"}
	if _, err := w.js.CreatePushConsumer(w.deadline(), "TRAIL", push); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := Config{URL: []string{w.server.url()}, Stream: "TRAIL", Identity: natsconn.Identity{User: "all", Password: password}}
			test.change(&c)
			err := w.input(c).Check(t.Context())
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v, want nil", err)
			case test.want != "" && (err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(test.want))):
				t.Errorf("got %v, want an error with %q", err, test.want)
			case err != nil && strings.Contains(err.Error(), password):
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
	if w.info() != nil {
		t.Error("a check created the consumer")
	}
}

func TestSecretsAreNotLogged(t *testing.T) {
	const password = "s3cret-w0rd"
	w := newWorld(t, server.Options{JetStream: true, Username: "trail", Password: password}, nats.UserInfo("trail", password))
	w.makeStream()

	c := w.stream()
	c.User, c.Password = "trail", password
	a := w.Start(w.input(c), 0)
	w.waitLog("reading the stream")
	w.server.stop()
	w.waitLog("no connection to NATS")
	w.server.start(t)
	w.waitLog("connected to NATS again")
	if err := a.Stop(); err != nil {
		t.Error(err)
	}

	c = w.stream()
	c.URL = []string{strings.Replace(w.server.url(), "nats://", "nats://trail:"+password+"@", 1)}
	a = w.Start(w.input(c), 0)
	w.Wait("a second agent", func() bool { return strings.Count(w.log.String(), "reading the stream") > 2 })
	if err := a.Stop(); err != nil {
		t.Error(err)
	}

	c = w.stream()
	c.User, c.Password = "trail", "wr0ng-w0rd"
	w.Start(w.input(c), 0)
	w.waitLog("Authorization Violation")
	for _, secret := range []string{password, "wr0ng-w0rd"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log holds %s: %s", secret, w.log)
		}
	}
}

func TestConfigMistakes(t *testing.T) {
	url := []string{"nats://127.0.0.1:4222"}
	tests := []struct {
		name   string
		config Config
		field  string // "" for none
	}{
		{"core", Config{URL: url, Subject: "a.*.>", Queue: "q"}, ""},
		{"stream", Config{URL: url, Stream: "S", Create: true}, ""},
		{"neither", Config{URL: url}, "subject"},
		{"empty token", Config{URL: url, Subject: "a..b"}, "subject"},
		{"> in the middle", Config{URL: url, Subject: "a.>.b"}, "subject"},
		{"space in the subject", Config{URL: url, Subject: "a b"}, "subject"},
		{"space in the queue", Config{URL: url, Subject: "a", Queue: "a b"}, "queue"},
		{"queue of a stream", Config{URL: url, Stream: "S", Queue: "q"}, "queue"},
		{"dot in a stream", Config{URL: url, Stream: "S.T"}, "stream"},
		{"star in a consumer", Config{URL: url, Stream: "S", Consumer: "*"}, "consumer"},
		{"create without stream", Config{URL: url, Subject: "a", Create: true}, "create"},
		{"start", Config{URL: url, Stream: "S", Create: true, Start: "30d"}, ""},
		{"once", Config{URL: url, Stream: "S", Once: true, Start: "2026-01-31"}, ""},
		{"once without stream", Config{URL: url, Subject: "a", Once: true}, "once"},
		{"once from the end", Config{URL: url, Stream: "S", Once: true, Start: "end"}, "start"},
		{"start that is no time", Config{URL: url, Stream: "S", Start: "yesterday"}, "start"},
		{"short ack_wait", Config{URL: url, Stream: "S", AckWait: time.Millisecond}, "ack_wait"},
		{"negative max_in_flight", Config{URL: url, Stream: "S", MaxInFlight: -1}, "max_in_flight"},
		{"huge max_in_flight", Config{URL: url, Stream: "S", MaxInFlight: 1 << 30}, "max_in_flight"},
		{"negative max_decompressed", Config{URL: url, Stream: "S", MaxDecompressed: -1}, "max_decompressed"},
		{"two identities", Config{URL: url, Stream: "S", Identity: natsconn.Identity{User: "u", Token: conf.Secret("t")}}, "token"},
		{"a URL without scheme", Config{URL: []string{"127.0.0.1:4222"}, Stream: "S"}, "url"},
	}
	for _, test := range tests {
		err := test.config.Validate()
		if test.field == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.field) {
			t.Errorf("%s: got %v, want an error about %s", test.name, err, test.field)
		}
	}
	if _, err := New(Config{URL: url, Stream: "S", Identity: natsconn.Identity{CredsFile: "/does/not/exist"}}, pipeline.Env{}); err == nil {
		t.Error("a credentials file that is not there is no error")
	}
}

// docs/nats.md says which permissions an agent needs.
func TestPermissionsOfTheDocumentation(t *testing.T) {
	const password = "pw"
	users := []*server.User{
		{Username: "all", Password: password},
		{Username: "worker", Password: password, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				"$JS.API.CONSUMER.INFO.TRAIL.trailcast", "$JS.API.CONSUMER.MSG.NEXT.TRAIL.trailcast", "$JS.ACK.TRAIL.trailcast.>",
				"$JS.API.CONSUMER.CREATE.TRAIL.trailcast.>",
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_worker.>"}},
		}},
		{Username: "once", Password: password, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				"$JS.API.STREAM.INFO.TRAIL", "$JS.API.CONSUMER.CREATE.TRAIL.>", "$JS.API.CONSUMER.INFO.TRAIL.*",
				"$JS.API.CONSUMER.MSG.NEXT.TRAIL.*", "$JS.API.CONSUMER.DELETE.TRAIL.*", "$JS.ACK.TRAIL.>",
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_worker.>"}},
		}},
	}
	w := newWorld(t, server.Options{JetStream: true, Users: users}, nats.UserInfo("all", password))
	w.makeStream()
	c := w.stream()
	c.User, c.Password, c.InboxPrefix, c.Subject = "worker", password, "_INBOX_worker", "trail.>"
	in := w.input(c)
	if err := in.Check(t.Context()); err != nil {
		t.Error(err)
	}
	w.Start(in, 0)
	w.store(numbered(3)...)
	w.waitDone(3)
	c.User, c.Once = "once", true
	in = w.input(c)
	if err := in.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := w.Start(in, 0).Wait(); err != nil {
		t.Error(err)
	}
	if strings.Contains(w.log.String(), "level=ERROR") || strings.Contains(w.log.String(), "level=WARN") {
		t.Errorf("complaints: %s", w.log)
	}
}
