package s3in

import (
	"maps"
	"path"
	"regexp"
	"sync"
	"time"
)

// position is how far a branch was read.
type position struct {
	// After is the key up to which everything is done: of the branch where keys go by time, else of the pass that is not
	// complete yet.
	After string `json:"after,omitempty"`

	// Done has the objects that are done and may be listed again.
	Done map[string]done `json:"done,omitempty"`

	// Since and Pass are of branches whose keys do not go by time: a pass lists all objects, and reads those that were
	// written after Since; Pass is when it began.
	Since time.Time `json:"since,omitzero"`
	Pass  time.Time `json:"pass,omitzero"`
}

// done is an object that is done.
type done struct {
	ETag     string    `json:"etag"`
	Modified time.Time `json:"modified,omitzero"`
}

// track follows the objects of a branch from listing to settlement.
type track struct {
	mu      sync.Mutex
	at      position
	waiting []*object         // listed and not done, or done behind one that is not; in the order of listing
	reading map[string]string // ETags of those that are being read, by key
	open    sync.WaitGroup    // objects that were begun and are neither settled nor given up; only the lister of the branch adds
	changed bool

	forget  func(at *position, key string, d done) bool // whether an object can not be listed again
	pruneAt int                                         // how many of Done there may be before some are forgotten
}

// object is an object that was listed.
type object struct {
	key, etag string
	modified  time.Time
	size      int64
	done      bool
	passed    bool // it was not to be read
	aside     bool // its key does not go by time, in a branch of keys that do
}

// seen reports whether an object is done, with this content.
func (t *track) seen(key, etag string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	d, ok := t.at.Done[key]
	return ok && d.ETag == etag
}

// reads reports whether an object is being read, with this content.
func (t *track) reads(key, etag string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, ok := t.reading[key]
	return ok && now == etag
}

// pass notes an object that is not to be read.
func (t *track) pass(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch n := len(t.waiting); {
	case n == 0:
		t.forward(key)
	case t.waiting[n-1].passed: // one stands for all in a row
		t.waiting[n-1].key = max(key, t.waiting[n-1].key)
	default:
		t.waiting = append(t.waiting, &object{key: key, done: true, passed: true})
	}
}

// begin notes an object that is being read.
func (t *track) begin(o *object) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = append(t.waiting, o)
	if t.reading == nil {
		t.reading = map[string]string{}
	}
	t.reading[o.key] = o.etag
	t.open.Add(1)
}

// settled notes that an object is done.
func (t *track) settled(o *object) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o.done = true
	if t.reading[o.key] == o.etag {
		delete(t.reading, o.key)
	}
	if t.at.Done == nil {
		t.at.Done = map[string]done{}
	}
	t.at.Done[o.key] = done{o.etag, o.modified}
	for len(t.waiting) > 0 && t.waiting[0].done {
		if !t.waiting[0].aside {
			t.forward(t.waiting[0].key)
		}
		t.waiting = t.waiting[1:]
	}
	t.changed = true
	if len(t.at.Done) > t.pruneAt {
		t.prune()
		t.pruneAt = max(fewDone, 2*len(t.at.Done))
	}
}

const fewDone = 1000

// forward moves After. A pass that looks back lists keys before it.
func (t *track) forward(key string) {
	if key > t.at.After {
		t.at.After, t.changed = key, true
	}
}

// prune forgets the objects that can not be listed again. The caller holds mu.
func (t *track) prune() {
	maps.DeleteFunc(t.at.Done, func(key string, d done) bool { return t.forget(&t.at, key, d) })
}

// position returns a copy to save.
func (t *track) position() position {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prune()
	p := t.at
	p.Done = maps.Clone(p.Done)
	return p
}

// CloudTrail's file names have the minute of their delivery.
var stamp = regexp.MustCompile(`^(.*_)(\d{8}T\d{4}Z)_[^_]*$`)

const stampLayout = "20060102T1504Z"

// timeOfKey reads the time in the name of a CloudTrail file.
func timeOfKey(key string) (t time.Time, name string) {
	m := stamp.FindStringSubmatch(path.Base(key))
	if m == nil {
		return time.Time{}, ""
	}
	t, err := time.Parse(stampLayout, m[2])
	if err != nil {
		return time.Time{}, ""
	}
	return t, m[1]
}

// keyAt returns where in a CloudTrail folder the keys of a time begin, given the part of file names before the time; ""
// stands for the whole day.
func keyAt(root string, t time.Time, name string) string {
	key := root + t.UTC().Format("2006/01/02/")
	if name != "" {
		key += name + t.UTC().Format(stampLayout)
	}
	return key
}
