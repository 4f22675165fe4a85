// Package fluentbit is the Fluent Bit output plugin but for its C side: it reads the configuration of an instance, turns
// chunks into events, and answers flushes.
package fluentbit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/outputs/quarantine"
)

// Host is what all instances in one process share. Its zero value is ready.
type Host struct {
	mu     sync.Mutex
	stores map[string]*sharedStore // by directory
}

// sharedStore is a quarantine that one or several instances use.
type sharedStore struct {
	*quarantine.Store
	users int
}

// Options are what Fluent Bit gives an instance.
type Options struct {
	Name    string                         // of the instance in logs: trailcast.0
	Version string                         // of the plugin
	Get     func(key string) string        // the value of a key of its [OUTPUT] section, "" where it is not given
	Print   func(level Level, line string) // writes to Fluent Bit's log
	Level   Level                          // the least important level that is logged
}

// Start makes an instance. What is wrong in its configuration is logged, one line for each mistake; then there is none.
func (h *Host) Start(o Options) (*Instance, bool) {
	log := newLog(o.Name, o.Level, o.Print)
	in, err := h.start(o)
	if err == nil {
		return in, true
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		log.Error(line)
	}
	return nil, false
}

func (h *Host) start(o Options) (*Instance, error) {
	config, err := load(o.Get)
	if err != nil {
		return nil, err
	}
	store, err := h.quarantine(config.Quarantine)
	if err != nil {
		return nil, err
	}
	in, err := newInstance(config, o, store, func() error { return h.release(store) })
	if err != nil {
		return nil, errors.Join(err, h.release(store))
	}
	return in, nil
}

// load reads the configuration from its file, or from flat keys.
func load(get func(string) string) (*build.PluginConfig, error) {
	keys, err := build.FlatKeys()
	if err != nil {
		return nil, err
	}
	wrong := misspelled(keys, get)
	path := get(configKey)
	if path == "" {
		config, more := build.LoadFlat(get)
		return config, join(append(wrong, more...))
	}
	for _, k := range keys {
		if k.Name != configKey && get(k.Name) != "" {
			wrong = append(wrong, build.FlatError{Key: k.Name, Msg: "excluded by " + configKey + ": write it in " + path})
		}
	}
	if err := join(wrong); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configKey, err)
	}
	return build.LoadPlugin(path, data, os.LookupEnv)
}

func join(wrong []build.FlatError) error {
	var errs []error
	for i := range wrong {
		errs = append(errs, &wrong[i])
	}
	return errors.Join(errs...)
}

// quarantine opens a directory, or takes one that another instance has opened.
func (h *Host) quarantine(c build.Quarantine) (*sharedStore, error) {
	dir, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, fmt.Errorf("Quarantine_Path: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.stores[dir]; s != nil {
		s.users++
		return s, nil
	}
	opened, err := quarantine.Open(quarantine.Config{Path: dir, MaxSize: c.MaxSize})
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "read-only") {
			hint = " (set Quarantine_Path, or quarantine.path in the Config_File, to a directory that Fluent Bit may write to)"
		}
		return nil, fmt.Errorf("open quarantine: %w%s", err, hint)
	}
	if h.stores == nil {
		h.stores = map[string]*sharedStore{}
	}
	s := &sharedStore{opened, 1}
	h.stores[dir] = s
	return s, nil
}

// release closes a quarantine that no instance uses any more.
func (h *Host) release(s *sharedStore) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.users--; s.users > 0 {
		return nil
	}
	for dir, other := range h.stores {
		if other == s {
			delete(h.stores, dir)
		}
	}
	return s.Close()
}
