// Command publish sends ready messages to a NATS server with nats.go and nothing around it: what publishing costs by
// itself. It takes enriched events from a file of JSON lines, as many as it keeps in memory, gives them the subjects and
// the headers that trailcast gives them, and sends them again and again.
//
//	publish -url nats://127.0.0.1:4222 -n 200000 [-jetstream] enriched.ndjson
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	kept      = 5000 // events in memory
	maxRecord = 1 << 20
	window    = 4096 // messages that may wait for their confirmation
	patience  = time.Minute
)

func main() {
	url := flag.String("url", nats.DefaultURL, "the server")
	n := flag.Int("n", 200_000, "number of messages")
	stream := flag.Bool("jetstream", false, "wait for JetStream's confirmations; a Nats-Msg-Id for each message")
	flag.Parse()
	if err := run(*url, *n, *stream, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "publish:", err)
		os.Exit(1)
	}
}

func run(url string, n int, stream bool, file string) error {
	ready, err := read(file)
	if err != nil {
		return err
	}
	conn, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	if stream {
		return publishStream(conn, ready, n)
	}
	for i := range n {
		if err := conn.PublishMsg(ready[i%len(ready)]); err != nil {
			return err
		}
	}
	return conn.FlushTimeout(patience)
}

func publishStream(conn *nats.Conn, ready []*nats.Msg, n int) error {
	failed := make(chan error, 1) // the first one
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(window),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) {
			select {
			case failed <- err:
			default:
			}
		}))
	if err != nil {
		return err
	}
	for i := range n {
		from := ready[i%len(ready)]
		msg := &nats.Msg{Subject: from.Subject, Data: from.Data, Header: maps.Clone(from.Header)}
		msg.Header[jetstream.MsgIDHeader] = []string{from.Header[jetstream.MsgIDHeader][0] + strconv.Itoa(i)}
		if _, err := js.PublishMsgAsync(msg, jetstream.WithStallWait(patience)); err != nil {
			return err
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(patience):
		return errors.New("confirmations are missing")
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// read makes messages of the first events of a file.
func read(file string) ([]*nats.Msg, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ready []*nats.Msg
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 64<<10), maxRecord)
	for len(ready) < kept && lines.Scan() {
		msg, err := message(bytes.Clone(lines.Bytes()))
		if err != nil {
			return nil, err
		}
		ready = append(ready, msg)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(ready) == 0 {
		return nil, errors.New("no events in " + file)
	}
	return ready, nil
}

func message(event []byte) (*nats.Msg, error) {
	var e struct {
		Trailcast struct {
			ID, Kind, Region, Service, Action, Outcome string
			Account                                    struct{ ID string }
		}
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, err
	}
	t := e.Trailcast
	if t.ID == "" {
		return nil, errors.New("an event is not enriched")
	}
	return &nats.Msg{
		Subject: strings.Join([]string{"audit", t.Account.ID, t.Region, t.Service, t.Action}, "."),
		Header: nats.Header{
			jetstream.MsgIDHeader: {t.ID}, "Trailcast-Id": {t.ID}, "Trailcast-Kind": {t.Kind}, "Trailcast-Account": {t.Account.ID},
			"Trailcast-Region": {t.Region}, "Trailcast-Service": {t.Service}, "Trailcast-Action": {t.Action}, "Trailcast-Outcome": {t.Outcome},
		},
		Data: event,
	}, nil
}
