package build

import (
	"maps"
	"slices"

	"github.com/trailcast/trailcast/filters/dedupe"
	"github.com/trailcast/trailcast/filters/enrich"
	"github.com/trailcast/trailcast/filters/jq"
	"github.com/trailcast/trailcast/filters/redact"
	"github.com/trailcast/trailcast/filters/sessions"
	"github.com/trailcast/trailcast/inputs/cloudwatchin"
	"github.com/trailcast/trailcast/inputs/filein"
	"github.com/trailcast/trailcast/inputs/forwardin"
	"github.com/trailcast/trailcast/inputs/httpin"
	"github.com/trailcast/trailcast/inputs/kinesisin"
	"github.com/trailcast/trailcast/inputs/lookupin"
	"github.com/trailcast/trailcast/inputs/natsin"
	"github.com/trailcast/trailcast/inputs/s3in"
	"github.com/trailcast/trailcast/inputs/sqsin"
	"github.com/trailcast/trailcast/inputs/stdin"
	"github.com/trailcast/trailcast/outputs/fileout"
	"github.com/trailcast/trailcast/outputs/natsout"
	"github.com/trailcast/trailcast/outputs/snsout"
	"github.com/trailcast/trailcast/outputs/stdout"
	"github.com/trailcast/trailcast/pipeline"
)

// All components of the program, by the key that names them in a configuration. This is the only list of them.
var (
	inputs = map[string]factory[pipeline.Input]{
		"cloudtrail_lookup": input(lookupin.New),
		"cloudwatch_logs":   input(cloudwatchin.New),
		"file":              input(filein.New),
		"forward":           input(forwardin.New),
		"http":              input(httpin.New),
		"kinesis":           input(kinesisin.New),
		"nats":              input(natsin.New),
		"s3":                input(s3in.New),
		"sqs":               input(sqsin.New),
		"stdin":             input(stdin.New),
	}
	filters = map[string]factory[pipeline.Filter]{
		"dedupe":   filter(dedupe.New),
		"sessions": filter(sessions.New),
		"enrich":   filter(enrich.New),
		"jq":       filter(jq.New),
		"redact":   filter(redact.New),
	}
	outputs = map[string]factory[pipeline.Output]{
		"file":   output(fileout.New),
		"nats":   output(natsout.New),
		"sns":    snsOutput(),
		"stdout": output(stdout.New),
	}
)

// factory decodes and makes components of one kind.
type factory[I any] struct {
	config func() any // a pointer to the component's Config
	make   func(config any, env pipeline.Env) (I, error)
}

func input[C any, T pipeline.Input](mk func(C, pipeline.Env) (T, error)) factory[pipeline.Input] {
	return use(mk, func(t T) pipeline.Input { return t })
}

func filter[C any, T pipeline.Filter](mk func(C, pipeline.Env) (T, error)) factory[pipeline.Filter] {
	return use(mk, func(t T) pipeline.Filter { return t })
}

func output[C any, T pipeline.Output](mk func(C, pipeline.Env) (T, error)) factory[pipeline.Output] {
	return use(mk, func(t T) pipeline.Output { return t })
}

// snsOutput gives the output what it may not import: jq, for the texts of its messages.
func snsOutput() factory[pipeline.Output] {
	f := output(snsout.New)
	f.config = func() any { return &snsout.Config{CompileJQ: jq.NewText} }
	return f
}

// use makes a factory of a component's constructor. as gives the component its interface; a failed constructor's typed
// nil never becomes one.
func use[C, T, I any](mk func(C, pipeline.Env) (T, error), as func(T) I) factory[I] {
	return factory[I]{
		config: func() any { return new(C) },
		make: func(config any, env pipeline.Env) (made I, err error) {
			t, err := mk(*config.(*C), env)
			if err != nil {
				return made, err
			}
			return as(t), nil
		},
	}
}

func names[I any](table map[string]factory[I]) []string { return slices.Sorted(maps.Keys(table)) }

// configs returns an empty Config of each component.
func configs[I any](table map[string]factory[I]) map[string]any {
	all := map[string]any{}
	for name, f := range table {
		all[name] = f.config()
	}
	return all
}
