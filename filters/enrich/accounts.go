package enrich

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

const maxAccountsFile = 64 << 20 // bytes; an organisation has some ten thousand accounts at most

// accounts are the names of AWS accounts.
type accounts struct{ names map[string]string }

// readAccounts reads a CSV file, or YAML (JSON) where the name of the file says so.
//
// CSV: one account per line, id and name first. A header line may name the columns instead, in any order and among
// others: id, account, account_id; name, account_name. Lines that begin with # are comments.
//
// YAML: a mapping of ids to names, or a list of mappings with id and name.
func readAccounts(path string) (*accounts, error) {
	text, err := readFile(path, maxAccountsFile)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	table := &accounts{names: map[string]string{}}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
		err = table.parseYAML(text)
	default:
		err = table.parseCSV(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(table.names) == 0 {
		return nil, fmt.Errorf("%s: no account in it; write one per line: 123456789012,payments-prod", path)
	}
	return table, nil
}

func readFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: larger than %d MiB", path, limit>>20)
	}
	return text, err
}

func (a *accounts) add(line int, id, name string) error {
	id, name = restoreZeros(strings.TrimSpace(id)), strings.TrimSpace(name)
	if id == "" || name == "" {
		return fmt.Errorf("line %d: id and name of an account are needed", line)
	}
	if other, ok := a.names[id]; ok && other != name {
		return fmt.Errorf("line %d: account %s has two names, %q and %q", line, id, other, name)
	}
	a.names[id] = name
	return nil
}

// restoreZeros gives a 12-digit id the leading zeros back that spreadsheets take away.
func restoreZeros(id string) string {
	if len(id) < 9 || len(id) >= 12 || strings.Trim(id, "0123456789") != "" {
		return id
	}
	return strings.Repeat("0", 12-len(id)) + id
}

func (a *accounts) parseCSV(text []byte) error {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	r.Comment = '#'
	idColumn, nameColumn := 0, 1
	for first := true; ; first = false {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err // names the line
		}
		if first {
			if i, n := column(row, idHeaders), column(row, nameHeaders); i >= 0 && n >= 0 {
				idColumn, nameColumn = i, n
				continue
			}
		}
		line, _ := r.FieldPos(0)
		if len(row) <= max(idColumn, nameColumn) {
			return fmt.Errorf("line %d: id and name are needed, separated by a comma", line)
		}
		if err := a.add(line, row[idColumn], row[nameColumn]); err != nil {
			return err
		}
	}
}

var (
	idHeaders   = []string{"id", "account", "account_id", "accountid", "account id"}
	nameHeaders = []string{"name", "account_name", "accountname", "account name"}
)

func column(row, names []string) int {
	for i, cell := range row {
		for _, name := range names {
			if strings.EqualFold(strings.TrimSpace(cell), name) {
				return i
			}
		}
	}
	return -1
}

// parseYAML walks the nodes, since decoding would make a number of an id and lose its leading zeros.
func (a *accounts) parseYAML(text []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return err
	}
	if len(doc.Content) == 0 {
		return nil
	}
	switch root := doc.Content[0]; root.Kind {
	case yaml.MappingNode:
		return a.addPairs(root)
	case yaml.SequenceNode:
		for _, item := range root.Content {
			if err := a.addItem(item); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("a mapping of ids to names, or a list of id and name, is needed")
}

func (a *accounts) addPairs(mapping *yaml.Node) error {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		id, name := mapping.Content[i], mapping.Content[i+1]
		if name.Kind != yaml.ScalarNode {
			return fmt.Errorf("line %d: the name of account %s is no text", name.Line, id.Value)
		}
		if err := a.add(id.Line, id.Value, name.Value); err != nil {
			return err
		}
	}
	return nil
}

func (a *accounts) addItem(item *yaml.Node) error {
	if item.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a mapping with id and name is needed", item.Line)
	}
	var id, name string
	for i := 0; i+1 < len(item.Content); i += 2 {
		switch key := []string{item.Content[i].Value}; {
		case column(key, idHeaders) == 0:
			id = item.Content[i+1].Value
		case column(key, nameHeaders) == 0:
			name = item.Content[i+1].Value
		}
	}
	return a.add(item.Line, id, name)
}
