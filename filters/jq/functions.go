package jq

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/pipeline"
)

// factsFunc is a function that tells a fact of the event as it was split, whatever its input is. It is compiled as a
// variable that is bound at each run.
type factsFunc struct {
	name, variable string
	value          func(*pipeline.Facts) any
}

var factsFunctions = []factsFunc{
	{"account", "$__trailcast_account", func(f *pipeline.Facts) any { return orNull(f.Account.ID) }},
	{"actor", "$__trailcast_actor", func(f *pipeline.Facts) any { return orNull(f.ActorName()) }},
	{"service", "$__trailcast_service", func(f *pipeline.Facts) any { return orNull(f.Service) }},
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func extraFunctions() []gojq.CompilerOption {
	return []gojq.CompilerOption{
		gojq.WithFunction("cidr_contains", 2, 2, cidrContains),
		gojq.WithFunction("arn", 0, 0, parseARN),
	}
}

// cidrContains tells whether an IP address lies in a network or in one of several. What is no address (a service's
// name in sourceIPAddress) lies in none; a network that is none is an error.
func cidrContains(_ any, args []any) any {
	nets, ok := args[0].([]any)
	if !ok {
		nets = args[:1]
	}
	text, _ := args[1].(string)
	ip, ipErr := netip.ParseAddr(text)
	for _, n := range nets {
		s, ok := n.(string)
		if !ok {
			return fmt.Errorf("cidr_contains: a network is a string, not %s", kindOf(n))
		}
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("cidr_contains: %q is no network in CIDR notation", s)
		}
		if ipErr == nil && prefix.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}

// parseARN splits an ARN into an object.
func parseARN(v any, _ []any) any {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("arn: the input is a string, not %s", kindOf(v))
	}
	a, ok := record.ParseARN(s)
	if !ok {
		return fmt.Errorf("arn: %.100q is no ARN", s)
	}
	return map[string]any{
		"partition": a.Partition, "service": a.Service, "region": a.Region, "account": a.Account, "resource": a.Resource,
	}
}

// modules loads module files from the configured directories, and from nowhere else.
type modules struct {
	dirs   []string
	strict bool // refuse what programs in the pipeline may not call
}

// LoadModule implements gojq's optional interface.
func (m *modules) LoadModule(name string) (*gojq.Query, error) {
	text, path, err := m.read(name, ".jq")
	if err != nil {
		return nil, err
	}
	query, err := gojq.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", path, err)
	}
	for _, i := range query.Imports {
		if i.Meta != nil {
			if _, ok := i.Meta.ToValue()["search"]; ok {
				return nil, fmt.Errorf("module %s: search paths are not allowed", path)
			}
		}
	}
	if m.strict {
		if name, arity, ok := inspect(query).refused(); ok {
			return nil, fmt.Errorf("module %s: %s is not allowed here: %s", path, signature(name, arity), refusedFunctions[name])
		}
	}
	return query, nil
}

// LoadJSON implements gojq's optional interface.
func (m *modules) LoadJSON(name string) (any, error) {
	text, path, err := m.read(name, ".json")
	if err != nil {
		return nil, err
	}
	v, err := Decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", path, err)
	}
	return []any{v}, nil
}

func (m *modules) read(name, suffix string) (text, path string, err error) {
	if !filepath.IsLocal(name) {
		return "", "", fmt.Errorf("module %q: a name must stay below the module directories", name)
	}
	for _, dir := range m.dirs {
		for _, path := range []string{name + suffix, filepath.Join(name, filepath.Base(name)+suffix)} {
			root, err := os.OpenRoot(dir)
			if err != nil {
				return "", "", err
			}
			data, err := root.ReadFile(path)
			root.Close()
			if err == nil {
				return string(data), filepath.Join(dir, path), nil
			}
			if !errors.Is(err, os.ErrNotExist) {
				return "", "", err
			}
		}
	}
	if len(m.dirs) == 0 {
		return "", "", fmt.Errorf("module %q: no module directories are configured", name)
	}
	return "", "", fmt.Errorf("module %q is in none of %s", name, strings.Join(m.dirs, ", "))
}

// nearest suggests a function for a misspelt name.
func nearest(name string) string {
	code, err := gojq.Parse("builtins")
	if err != nil {
		return ""
	}
	list, _ := code.Run(nil).Next()
	names := []any{"account/0", "actor/0", "service/0", "cidr_contains/2", "arn/0"}
	if builtins, ok := list.([]any); ok {
		names = append(names, builtins...)
	}
	best, distance := "", 3
	for _, n := range names {
		s, _ := n.(string)
		s, _, _ = strings.Cut(s, "/")
		if d := editDistance(name, s, distance); d < distance || d == distance && s < best && best != "" {
			best, distance = s, d
		}
	}
	return best
}

// editDistance is Levenshtein's, at most limit.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return min(row[len(b)], limit)
}
