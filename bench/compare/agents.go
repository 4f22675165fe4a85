package main

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/template"

	"github.com/trailcast/trailcast/bench/compare/process"
)

//go:embed configs
var configs embed.FS

// settings are what the templates of configurations may name.
type settings struct {
	Dir     string // folder of the run; what is written goes to the folder out in it
	Zipped  string // folder of the compressed documents
	Lines   string // file of JSON lines
	URL     string // NATS server
	Stream  string
	Program string   // jq
	Source  string   // the eventSource that Program selects
	Others  []string // eventSources that no record has
}

const (
	selectedSource = "ssm.amazonaws.com"
	manyOutputs    = 100
)

// configured is a command that reads configurations: those named are written into the folder of the run.
func (b *bench) configured(files []string, list ...string) func(dir string) (process.Command, error) {
	return func(dir string) (process.Command, error) {
		if err := os.Mkdir(filepath.Join(dir, "out"), 0o755); err != nil {
			return process.Command{}, err
		}
		for _, name := range files {
			if err := b.configure(dir, name, b.data.zipped); err != nil {
				return process.Command{}, err
			}
		}
		return process.Command{Args: list}, nil
	}
}

func (b *bench) configure(dir, name, zipped string) error {
	t, err := template.ParseFS(configs, "configs/"+name)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	return t.Execute(f, settings{Dir: dir, Zipped: zipped, Lines: b.data.lines, URL: b.broker.url(), Stream: streamName,
		Program: selection, Source: selectedSource, Others: otherSources()})
}

// otherSources are for all outputs but one.
func otherSources() []string {
	var list []string
	for i := range manyOutputs - 1 {
		list = append(list, fmt.Sprintf("service-%d.amazonaws.com", i))
	}
	return list
}

// agent is trailcast with a configuration.
func (b *bench) agent(config string, check func(string) error) contender {
	return contender{name: ours, ours: true, cores: 1, check: check,
		command: b.configured([]string{config}, b.bin.trailcast, "run", "-c", config)}
}

// after makes a contender's round begin with something else.
func (c contender) after(begin func() error) contender {
	command := c.command
	c.command = func(dir string) (process.Command, error) {
		if err := begin(); err != nil {
			return process.Command{}, err
		}
		return command(dir)
	}
	return c
}

func runFile(b *bench) (workload, error) {
	return workload{title: "gzip, enriched, to one file", reference: gunzip, bytes: b.data.Document, contenders: []contender{
		b.gunzip(), b.split(), b.agent("run-file.yaml", writes(b.data.records)),
	}}, nil
}

// manyWhens is what the conditions of many outputs cost beside that of one.
func manyWhens(b *bench) (workload, error) {
	want, err := b.truths.of(selection, b.data)
	if err != nil {
		return workload{}, err
	}
	check := writes(want.Results)
	one, many := b.agent("one-when.yaml", check), b.agent("many-whens.yaml", check)
	one.name = "one output"
	many.name = fmt.Sprintf("%d outputs", manyOutputs)
	return workload{title: "gzip, outputs with a condition each", reference: one.name, bytes: b.data.Document,
		contenders: []contender{one, many}}, nil
}

func runNATS(b *bench) (workload, error) {
	return b.publishing("gzip, enriched, to core NATS", "run-nats.yaml", b.broker.begin,
		func(string) error { return b.broker.arrived(b.data.records) })
}

func runJetStream(b *bench) (workload, error) {
	return b.publishing("gzip, enriched, to JetStream", "run-jetstream.yaml", b.broker.beginStream,
		func(string) error { return b.broker.stored(b.data.records) }, "-jetstream")
}

// publishing is trailcast beside a program that sends ready messages.
func (b *bench) publishing(title, config string, begin func() error, check func(string) error, flags ...string) (workload, error) {
	events, err := b.enriched()
	if err != nil {
		return workload{}, fmt.Errorf("make messages: %w", err)
	}
	list := append([]string{b.bin.publish, "-url", b.broker.url(), "-n", strconv.FormatInt(b.data.records, 10)}, flags...)
	ready := contender{name: publish, check: check, command: args(append(list, events)...)}
	return b.besideServer(workload{title: title, reference: publish, bytes: b.data.Document,
		contenders: []contender{ready.after(begin), b.agent(config, check).after(begin)}}), nil
}

// besideServer gives each contender two cores, which it shares with the NATS server: without that there is no publishing, so
// the time that passes is what counts.
func (b *bench) besideServer(w workload) workload {
	for i := range w.contenders {
		w.contenders[i].cores = min(2, len(b.runner.CPUs))
	}
	return w
}

// enriched returns a file with the events of the first document as trailcast publishes them. It is made once.
func (b *bench) enriched() (string, error) {
	dir := filepath.Join(b.work, "enriched")
	file := filepath.Join(dir, "out", "all.ndjson")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(filepath.Join(dir, "in"), 0o755); err != nil {
		return "", err
	}
	first := b.data.files[0]
	if err := os.Symlink(first, filepath.Join(dir, "in", filepath.Base(first))); err != nil {
		return "", err
	}
	const config = "run-file.yaml"
	if err := b.configure(dir, config, filepath.Join(dir, "in")); err != nil {
		return "", err
	}
	run := exec.Command(b.bin.trailcast, "run", "-c", config)
	run.Dir = dir
	if said, err := run.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, said)
	}
	return file, nil
}

func connectJetStream(b *bench) (workload, error) {
	want, err := b.truths.of(selection, b.data)
	if err != nil {
		return workload{}, err
	}
	check := func(string) error { return b.broker.stored(want.Results) }
	const rival = "Redpanda Connect"
	w := workload{title: "gzip, selected, to JetStream", reference: rival, bytes: b.data.Document,
		contenders: []contender{b.agent("select-jetstream.yaml", check).after(b.broker.beginStream)}}
	if b.tools.connect != "" {
		const config = "redpanda-connect.yaml"
		w.contenders = append(w.contenders, contender{name: rival, check: check,
			command: b.configured([]string{config}, b.tools.connect, "run", config)}.after(b.broker.beginStream))
	}
	return b.besideServer(w), nil
}

// selectFile is for tools that read JSON lines only.
func selectFile(b *bench) (workload, error) {
	want, err := b.truths.of(selection, b.data)
	if err != nil {
		return workload{}, err
	}
	check := writes(want.Results)
	w := workload{title: "JSON lines, selected, to one file", reference: "Fluent Bit", bytes: b.data.Lines,
		contenders: []contender{b.agent("select-file.yaml", check)}}
	if b.tools.fluentBit != "" {
		w.contenders = append(w.contenders, contender{name: "Fluent Bit", cores: 1, check: check,
			command: b.configured([]string{"fluent-bit.conf", "fluent-bit-parsers.conf"}, b.tools.fluentBit, "-q", "-c", "fluent-bit.conf")})
	}
	if b.tools.vector != "" {
		w.contenders = append(w.contenders, contender{name: "Vector", cores: 1, check: check, command: b.vector()})
	}
	return w, nil
}

// vector reads standard input, at whose end it ends; its file source goes on for ever.
func (b *bench) vector() func(dir string) (process.Command, error) {
	command := b.configured([]string{"vector.yaml"}, b.tools.vector, "--quiet", "--threads", "1", "--config", "vector.yaml")
	return func(dir string) (process.Command, error) {
		c, err := command(dir)
		c.Stdin = b.data.lines
		return c, err
	}
}
