package main

import (
	"embed"
	"os"
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
	Program string // jq
	Source  string // the eventSource that Program selects
}

const selectedSource = "ssm.amazonaws.com"

// configured is a command that reads configurations: those named are written into the folder of the run.
func (b *bench) configured(files []string, list ...string) func(dir string) (process.Command, error) {
	return func(dir string) (process.Command, error) {
		if err := os.Mkdir(filepath.Join(dir, "out"), 0o755); err != nil {
			return process.Command{}, err
		}
		for _, name := range files {
			if err := b.configure(dir, name); err != nil {
				return process.Command{}, err
			}
		}
		return process.Command{Args: list}, nil
	}
}

func (b *bench) configure(dir, name string) error {
	t, err := template.ParseFS(configs, "configs/"+name)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	return t.Execute(f, settings{Dir: dir, Zipped: b.data.zipped, Lines: b.data.lines, URL: b.broker.url(), Stream: streamName,
		Program: selection, Source: selectedSource})
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

func runNATS(b *bench) (workload, error) {
	check := func(string) error { return b.broker.arrived(b.data.records) }
	return workload{title: "gzip, enriched, to core NATS", reference: publish, bytes: b.data.Document, contenders: []contender{
		b.publisher(check).after(b.broker.begin),
		b.agent("run-nats.yaml", check).after(b.broker.begin),
	}}, nil
}

func runJetStream(b *bench) (workload, error) {
	check := func(string) error { return b.broker.stored(b.data.records) }
	return workload{title: "gzip, enriched, to JetStream", reference: publish, bytes: b.data.Document, contenders: []contender{
		b.publisher(check, "-jetstream").after(b.broker.beginStream),
		b.agent("run-jetstream.yaml", check).after(b.broker.beginStream),
	}}, nil
}

// publisher sends ready messages.
func (b *bench) publisher(check func(string) error, flags ...string) contender {
	list := append([]string{b.bin.publish, "-url", b.broker.url(), "-n", strconv.FormatInt(b.data.records, 10)}, flags...)
	return contender{name: publish, cores: 1, check: check, command: args(append(list, b.data.lines)...)}
}

func connectJetStream(b *bench) (workload, error) {
	want, err := b.truths.of(selection, b.data)
	if err != nil {
		return workload{}, err
	}
	check := func(string) error { return b.broker.stored(want.Results) }
	w := workload{title: "gzip, selected, to JetStream", reference: gunzip, bytes: b.data.Document, contenders: []contender{
		b.gunzip(),
		b.agent("select-jetstream.yaml", check).after(b.broker.beginStream),
	}}
	if b.tools.connect != "" {
		const config = "redpanda-connect.yaml"
		w.contenders = append(w.contenders, contender{name: "Redpanda Connect", cores: 1, check: check,
			command: b.configured([]string{config}, b.tools.connect, "run", config)}.after(b.broker.beginStream))
	}
	return w, nil
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
