// Command publish sends ready messages to a NATS server with nats.go and nothing around it: what publishing costs by
// itself. It takes records from a file of JSON lines, as many as it keeps in memory, and sends them again and again.
//
//	publish -url nats://127.0.0.1:4222 -n 200000 [-jetstream] trail.ndjson
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	kept      = 5000 // records in memory
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
		msg := &nats.Msg{Subject: from.Subject, Data: from.Data,
			Header: nats.Header{jetstream.MsgIDHeader: {strconv.Itoa(i)}}}
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

// read makes messages of the first records of a file, with the subjects that trailcast gives them in the comparison.
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
		data := bytes.Clone(lines.Bytes())
		subject, err := subjectOf(data)
		if err != nil {
			return nil, err
		}
		ready = append(ready, &nats.Msg{Subject: subject, Data: data})
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(ready) == 0 {
		return nil, errors.New("no records in " + file)
	}
	return ready, nil
}

func subjectOf(data []byte) (string, error) {
	var r struct{ RecipientAccountId, AwsRegion, EventSource, EventName string }
	if err := json.Unmarshal(data, &r); err != nil {
		return "", err
	}
	service, _, _ := strings.Cut(r.EventSource, ".")
	return strings.Join([]string{"audit", r.RecipientAccountId, r.AwsRegion, service, r.EventName}, "."), nil
}
