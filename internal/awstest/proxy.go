package awstest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Call is one request that passes a Proxy.
type Call struct {
	Operation string // ReceiveMessage, PublishBatch …; of S3 GetObject, HeadObject, PutObject, ListObjects
	Path      string
	Request   *http.Request
	Body      []byte // of the request; a Fault may come with another one
}

// Fault is what becomes of a call. The zero value lets it pass.
type Fault struct {
	Status int    // answered instead of the emulator, with Code as the error's code
	Code   string // Throttling, ExpiredToken …
	Hang   bool   // no answer comes until the client gives up
	Drop   bool   // the connection is closed without an answer
	Lost   bool   // the emulator does what is asked, and its answer is lost
	Cut    int    // the connection is closed after so many bytes of the answer's body

	Body    []byte                               // sent to the emulator instead of the request's
	Rewrite func(status int, body []byte) []byte // makes the answer's body from the emulator's
}

// Proxy stands before the emulator and makes calls fail.
type Proxy struct {
	URL string

	mu    sync.Mutex
	fault func(Call) Fault
	calls map[string]int
}

// NewProxy returns a proxy to a server of AWS calls. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{calls: map[string]int{}}
	forward := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(u); r.Out.Host = r.In.Host },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
		Transport:    &http.Transport{MaxIdleConnsPerHost: 64},
	}
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		call := Call{Operation: operation(r, body), Path: r.URL.Path, Request: r, Body: body}
		f := p.decide(call)
		switch {
		case f.Hang:
			select {
			case <-r.Context().Done():
			case <-done:
			}
			panic(http.ErrAbortHandler)
		case f.Drop:
			panic(http.ErrAbortHandler)
		case f.Status != 0:
			refuse(w, r, f)
			return
		}
		if f.Body != nil {
			body = f.Body
			r.ContentLength = int64(len(body))
			r.Header.Set("Content-Length", fmt.Sprint(len(body)))
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		out := &answer{ResponseWriter: w, fault: f}
		forward.ServeHTTP(out, r)
		out.finish()
	}))
	t.Cleanup(func() {
		close(done)
		server.Close()
		forward.Transport.(*http.Transport).CloseIdleConnections()
	})
	p.URL = server.URL
	return p
}

// Fail sets what becomes of the calls from now on; nil lets all pass. fault is called by one goroutine at a time.
func (p *Proxy) Fail(fault func(Call) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

// Calls returns how many calls of an operation there were.
func (p *Proxy) Calls(operation string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[operation]
}

func (p *Proxy) decide(c Call) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[c.Operation]++
	if p.fault == nil {
		return Fault{}
	}
	return p.fault(c)
}

// operation reads a call's name from where its protocol has it.
func operation(r *http.Request, body []byte) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndexByte(target, '.')+1:]
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if form, err := url.ParseQuery(string(body)); err == nil {
			return form.Get("Action")
		}
	}
	switch key := strings.Count(strings.Trim(r.URL.Path, "/"), "/") > 0; {
	case r.Method == http.MethodGet && !key && r.URL.Query().Has("list-type"):
		return "ListObjects"
	case r.Method == http.MethodGet:
		return "GetObject"
	case r.Method == http.MethodHead && key:
		return "HeadObject"
	case r.Method == http.MethodHead:
		return "HeadBucket"
	case r.Method == http.MethodPut:
		return "PutObject"
	}
	return r.Method
}

// refuse answers with an error in the form of the call's protocol.
func refuse(w http.ResponseWriter, r *http.Request, f Fault) {
	const message = "made by the test"
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		w.WriteHeader(f.Status)
		fmt.Fprintf(w, `{"__type":%q,"message":%q}`, f.Code, message)
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(f.Status)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>`, f.Code, message)
	default:
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(f.Status)
		fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>`, f.Code, message)
	}
}

// answer is the emulator's answer on its way to the client.
type answer struct {
	http.ResponseWriter
	fault  Fault
	status int
	held   bytes.Buffer
	sent   int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	switch {
	case a.fault.Lost:
		panic(http.ErrAbortHandler)
	case a.fault.Rewrite != nil:
		a.Header().Del("Content-Length")
	default:
		a.ResponseWriter.WriteHeader(status)
	}
}

func (a *answer) Write(p []byte) (int, error) {
	if a.fault.Rewrite != nil {
		return a.held.Write(p)
	}
	if a.fault.Cut > 0 && a.sent+len(p) > a.fault.Cut {
		_, _ = a.ResponseWriter.Write(p[:a.fault.Cut-a.sent])
		a.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	n, err := a.ResponseWriter.Write(p)
	a.sent += n
	return n, err
}

func (a *answer) finish() {
	if a.fault.Rewrite == nil {
		return
	}
	a.ResponseWriter.WriteHeader(a.status)
	_, _ = a.ResponseWriter.Write(a.fault.Rewrite(a.status, a.held.Bytes()))
}
