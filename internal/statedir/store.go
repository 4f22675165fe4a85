package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/trailcast/trailcast/internal/durable"
)

// Store keeps small JSON documents in a directory. It takes no lock: the agent holds that of Open, and a component that
// is given only the directory's path uses a Store. It is safe for concurrent use; of several Saves of one name at
// once, one wins whole.
type Store struct{ dir string }

// NewStore returns the store of a directory, which Save creates when it is missing.
func NewStore(dir string) Store { return Store{dir} }

// Path returns where name is kept in the directory. Any name, a component's configured one for instance, becomes one
// file name of its own: what is not a letter, digit, '.', '_' or '-' is written %XX, and a very long name is cut and
// gets a hash.
func (s Store) Path(name string) string { return filepath.Join(s.dir, fileName(name)) }

// Save puts v, encoded as JSON, in place of what was kept under name. When it returns nil the new state survives a
// power cut; when it fails the old state is still there. The file is Path(name) with ".json" at its end.
func (s Store) Save(name string, v any) error {
	if s.dir == "" {
		return fmt.Errorf("save state %q: no state directory is configured", name)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save state %q: %w", name, err)
	}
	path := s.jsonPath(name)
	err = durable.WriteFile(path, append(data, '\n'), 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(s.dir, 0o700); err == nil {
			err = durable.WriteFile(path, append(data, '\n'), 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("save state %q: %w", name, err)
	}
	return nil
}

// Load decodes what was saved under name into v, which is a pointer. It reports false when nothing was saved. A file
// that can not be decoded is an error that names it (going on without the state is the operator's decision); v may then
// hold a part of it.
func (s Store) Load(name string, v any) (bool, error) {
	if s.dir == "" {
		return false, fmt.Errorf("load state %q: no state directory is configured", name)
	}
	path := s.jsonPath(name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("load state %q: %w", name, err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return false, fmt.Errorf("load state %q: %s is damaged: %w; restore it from a backup, or move it away to start "+
			"without this state (data may then be read and sent again)", name, path, err)
	}
	return true, nil
}

// Remove forgets what was saved under name; forgetting nothing is no error.
func (s Store) Remove(name string) error {
	err := os.Remove(s.jsonPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = durable.SyncDir(s.dir)
	}
	if err != nil {
		return fmt.Errorf("remove state %q: %w", name, err)
	}
	return nil
}

// jsonPath has its own ending so that no name can meet the lock or the version file.
func (s Store) jsonPath(name string) string {
	return s.Path(strings.TrimSuffix(name, ".json")) + ".json"
}

const hexDigits = "0123456789ABCDEF"

// maxName leaves room for ".json" in the 255 bytes that file systems allow.
const maxName = 200

func fileName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' ||
			c == '.' && i > 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	switch {
	case b.Len() == 0:
		return "%"
	case b.Len() > maxName:
		h := fnv.New64a()
		h.Write([]byte(name))
		return fmt.Sprintf("%s%%%016x", b.String()[:maxName-17], h.Sum64())
	}
	return b.String()
}
