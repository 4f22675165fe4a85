package awstest

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// EntryFaults make single entries of PublishBatch fail: they do not reach the emulator, and the answer names them.
type EntryFaults struct {
	Every int                                                      // every how manieth entry fails, with InternalError
	Fail  func(id, message string) (code string, senderFault bool) // or which ones; "" lets an entry pass

	mu           sync.Mutex
	seen, failed int
}

// Failed returns how many entries have failed.
func (e *EntryFaults) Failed() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}

// Of returns what becomes of a call of PublishBatch.
func (e *EntryFaults) Of(c Call) Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	const prefix = "PublishBatchRequestEntries.member."
	form, err := url.ParseQuery(string(c.Body))
	if err != nil {
		panic(err)
	}
	passed := url.Values{}
	for key, values := range form {
		if !strings.HasPrefix(key, prefix) {
			passed[key] = values
		}
	}
	var failed strings.Builder
	next := 1
	for n := 1; form.Has(fmt.Sprint(prefix, n, ".Id")); n++ {
		id := form.Get(fmt.Sprint(prefix, n, ".Id"))
		code, sender := e.decide(id, form.Get(fmt.Sprint(prefix, n, ".Message")))
		if code != "" {
			e.failed++
			fmt.Fprintf(&failed, "<member><Id>%s</Id><Code>%s</Code><Message>made by the test</Message><SenderFault>%v</SenderFault></member>", id, code, sender)
			continue
		}
		for key, values := range form {
			if rest, ok := strings.CutPrefix(key, fmt.Sprint(prefix, n, ".")); ok {
				passed[fmt.Sprint(prefix, next, ".", rest)] = values
			}
		}
		next++
	}
	if failed.Len() == 0 {
		return Fault{}
	}
	if next == 1 { // the emulator takes no empty batch: it is asked something else
		passed = url.Values{"Action": {"ListTopics"}, "Version": form["Version"]}
	}
	return Fault{Body: []byte(passed.Encode()), Rewrite: func(status int, body []byte) []byte {
		if next == 1 {
			return []byte(`<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Successful/><Failed>` + failed.String() + `</Failed></PublishBatchResult></PublishBatchResponse>`)
		}
		out := noneFailed.ReplaceAll(body, []byte("<Failed>"+failed.String()+"</Failed>"))
		if status != 200 || len(out) == len(body) {
			panic(fmt.Sprintf("the emulator answers otherwise: %s", body))
		}
		return out
	}}
}

func (e *EntryFaults) decide(id, message string) (code string, senderFault bool) {
	if e.Fail != nil {
		return e.Fail(id, message)
	}
	if e.seen++; e.seen%e.Every == 0 {
		return "InternalError", false
	}
	return "", false
}

var noneFailed = regexp.MustCompile(`<Failed>\s*</Failed>|<Failed */>`)
