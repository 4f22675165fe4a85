package main

import "fmt"

// The programs of the workloads.
const (
	selection  = `select(.eventSource == "ssm.amazonaws.com")`
	projection = `{account: .recipientAccountId, who: .userIdentity.arn, what: .eventName}`

	// regexAndSum reads a few paths, and calculates with them.
	regexAndSum = `select(((.userAgent // "") | test("^aws-(cli|sdk)"))
  and (.additionalEventData.bytesTransferredIn + .additionalEventData.bytesTransferredOut > 10000)) | .eventID`

	// everywhere needs all of each record.
	everywhere = `{id: .eventID, arns: ([.. | strings | select(startswith("arn:"))] | unique)}`
)

// queryLines is a jq program on JSON lines, beside the tools for it.
func queryLines(title, program string) func(*bench) (workload, error) {
	return func(b *bench) (workload, error) {
		want, err := b.truths.of(program, b.data)
		if err != nil {
			return workload{}, err
		}
		query := func(name, tool string, command ...string) contender {
			return contender{name: name, ours: name == ours, cores: 1, check: yields(want), quiet: true,
				command: args(append(append([]string{tool}, command...), program, b.data.lines)...)}
		}
		w := workload{title: title + ", JSON lines", reference: "gojq", bytes: b.data.Lines,
			contenders: []contender{query(ours, b.bin.trailcast, "query", "-c")}}
		if b.tools.gojq != "" {
			w.contenders = append(w.contenders, query("gojq", b.tools.gojq, "-c"))
		}
		if b.tools.jq != "" {
			w.contenders = append(w.contenders, query("jq", b.tools.jq, "-c"))
		}
		return w, nil
	}
}

const (
	ours    = "trailcast"
	gunzip  = "gunzip"
	publish = "nats.go"
)

// selectZipped is the selection on compressed documents, beside decompressing alone and the usual pipes.
func selectZipped(b *bench) (workload, error) {
	want, err := b.truths.of(selection, b.data)
	if err != nil {
		return workload{}, err
	}
	w := workload{title: "a comparison selects whole records, gzip", reference: gunzip, bytes: b.data.Document,
		contenders: []contender{b.gunzip(), b.split()}}
	most := min(2, len(b.runner.CPUs))
	for cores := 1; cores <= most; cores++ {
		name := ours
		if cores > 1 {
			name = fmt.Sprintf("%s, %d cores", ours, cores)
		}
		w.contenders = append(w.contenders, contender{name: name, ours: true, cores: cores, check: yields(want), quiet: true,
			command: args(b.bin.trailcast, "query", "-c", selection, b.data.zipped)})
	}
	if most == 1 {
		b.leftOut = append(b.leftOut, "two cores: there is one")
	}
	for _, tool := range []struct{ name, path string }{{"gojq", b.tools.gojq}, {"jq", b.tools.jq}} {
		if b.tools.gzip == "" || tool.path == "" {
			continue
		}
		const pipe = `"$0" -dc "$1"/*.gz | "$2" -c "$3"`
		w.contenders = append(w.contenders, contender{name: "gzip | " + tool.name, cores: 1, check: yields(want), quiet: true,
			command: args("sh", "-c", pipe, b.tools.gzip, b.data.zipped, tool.path, ".Records[] | "+selection)})
	}
	return w, nil
}

// gunzip only decompresses the documents.
func (b *bench) gunzip() contender {
	return contender{name: gunzip, cores: 1, check: printed(b.data.Document),
		command: args(append([]string{b.bin.gunzip}, b.data.files...)...)}
}

// split decompresses the documents and finds the records in them.
func (b *bench) split() contender {
	return contender{name: "gunzip, split", cores: 1, check: printed(b.data.records),
		command: args(append([]string{b.bin.split}, b.data.files...)...)}
}
