package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/gather"
	"github.com/trailcast/trailcast/internal/report"
	"github.com/trailcast/trailcast/internal/terminal"
	"github.com/trailcast/trailcast/internal/yamlconf"
	"github.com/trailcast/trailcast/outputs/quarantine"
	"github.com/trailcast/trailcast/pipeline"
)

// sessionsFlags are the flags of `trailcast sessions`.
type sessionsFlags struct {
	sources      gather.Sources
	inputs       string
	since, until string
	query        report.Query
	format, out  string
	title        string
	raw          bool
	sinceGiven   bool
}

func sessionsCommand(s streams) *cobra.Command {
	var f sessionsFlags
	cmd := &cobra.Command{
		Use:   "sessions [FLAGS] SOURCE…",
		Short: "Report who connected to what with Session Manager",
		Long: `Sessions reads CloudTrail events and session logs, joins them, and reports every connection: who, in
which role, from where and with MFA or not, to what, when and how long, by which document and for what
reason, whether the session was logged, and what was typed.

A SOURCE is a file, a directory (all files below it), - for standard input, or one of

  s3://bucket/prefix        objects of CloudTrail and Session Manager
  nats://host:4222/STREAM   the messages of a JetStream stream
  lookup://eu-west-1        CloudTrail's event history, which every account has for 90 days; several
                            regions: lookup://eu-west-1,us-east-1

Several sources make one report: the trail's bucket and the one with the session logs. --inputs takes a
file with inputs and filters in the agent's language instead, for everything else that these need.

Secrets that were typed are redacted as the redact filter does; --raw shows them. What a session printed
is cleaned of everything that a terminal or a browser would obey. Which lines are commands is a guess.

Exit codes: 0; 1 the sources could not be read; 2 wrong flags; 3 a part of them could not be read.`,
		Example: `  # The last 30 days, from nothing but the account's event history
  trailcast sessions lookup://eu-west-1

  # From the buckets of the trail and of the session logs, as a page for the browser
  trailcast sessions --since 30d -o sessions.html s3://acme-trail/AWSLogs/ s3://acme-sessions/

  # What someone did in January, by target
  trailcast sessions --since 2026-01-01 --until 2026-01-31 --user alice --group target logs/

  # For a spreadsheet, or for jq
  trailcast sessions --format csv -o sessions.csv logs/
  trailcast sessions --format ndjson logs/ | jq -r 'select(.logged == "no") | .id'`,
		RunE: func(cmd *cobra.Command, places []string) error {
			f.sources.Places, f.sinceGiven = places, cmd.Flags().Changed("since")
			return f.run(cmd.Context(), s)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "30d", "first day or time, or how far back from now: 2026-01-31, 2026-01-31T12:00:00Z, 12h, 30d; all: no bound")
	flags.StringVar(&f.until, "until", "", "last day, or time (default now)")
	flags.StringVar(&f.query.User, "user", "", "only who has this in user, role or ARN; * stands for anything")
	flags.StringVar(&f.query.Target, "target", "", "only targets with this in their name; * stands for anything")
	flags.StringVar(&f.query.Account, "account", "", "only accounts with this in their number or name; * stands for anything")
	flags.StringVar(&f.query.Sort, "sort", "start", "sort by start, end, duration, user, target, account or lines")
	flags.BoolVarP(&f.query.Reverse, "reverse", "r", false, "sort the other way")
	flags.StringVar(&f.query.Group, "group", "none", "group the table by user, target, account, day or document")
	flags.StringVarP(&f.format, "format", "f", "", "table, csv, json, ndjson or html (default: what the name of -o says, else table)")
	flags.StringVarP(&f.out, "output", "o", "", "file to write; transcripts that do not fit an HTML page go to a new folder beside it")
	flags.StringVar(&f.title, "title", "Session Manager sessions", "title of the report")
	flags.BoolVar(&f.raw, "raw", false, "show what looks like a secret")
	flags.StringVar(&f.inputs, "inputs", "", "file with inputs and filters in the agent's language, instead of sources")
	flags.StringVar(&f.sources.Profile, "profile", "", "AWS: profile of the shared configuration files")
	flags.StringVar(&f.sources.Region, "region", "", "AWS: region")
	flags.StringVar(&f.sources.RoleARN, "role-arn", "", "AWS: role to assume")
	flags.StringVar(&f.sources.ExternalID, "external-id", "", "AWS: external id for that role")
	flags.StringVar(&f.sources.Endpoint, "endpoint", "", "AWS: URL of the service instead of AWS's own")
	flags.StringVar(&f.sources.CredsFile, "creds", "", "NATS: credentials file")
	flags.StringVar(&f.sources.CAFile, "ca", "", "NATS: file with the authorities that the server's certificate is verified against")
	_ = cmd.MarkFlagFilename("inputs", "yaml", "yml") // the flag is there
	return cmd
}

func (f *sessionsFlags) run(ctx context.Context, s streams) error {
	now := time.Now().UTC()
	if err := f.period(now); err != nil {
		return &exitError{exitUsage, err}
	}
	if err := f.settleFormat(); err != nil {
		return &exitError{exitUsage, err}
	}
	// Wrong words show before a long reading.
	if err := new(report.Report).Select(f.query); err != nil {
		return &exitError{exitUsage, err}
	}
	found, err := f.gather(ctx, s)
	if err != nil {
		return err
	}
	defer found.Close()
	if found.Failed != nil && found.Events == 0 {
		return &exitError{exitFailed, fmt.Errorf("no source could be read: %w", found.Failed)}
	}
	r := &report.Report{Title: f.title, Since: f.query.Since, Until: f.query.Until, Made: now, Sessions: found.Sessions}
	if r.Until.IsZero() && !r.Since.IsZero() { // all time has no bounds but those of the sessions
		r.Until = now
	}
	if found.Broken > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d pieces of the sources could not be read.", found.Broken))
	}
	if found.Failed != nil {
		r.Notes = append(r.Notes, "A source could not be read to its end: "+found.Failed.Error())
	}
	if !found.Logs {
		r.Notes = append(r.Notes, "There are no session logs in the sources, so it is not known which sessions were logged.")
	}
	all := len(r.Sessions)
	if err := r.Select(f.query); err != nil {
		return &exitError{exitUsage, err}
	}
	if err := f.write(r, s); err != nil {
		return &exitError{exitFailed, fmt.Errorf("write the report: %w", err)}
	}
	if f.format == "csv" || f.format == "ndjson" { // which have no place for notes
		for _, note := range r.Notes {
			fmt.Fprintln(s.err, "trailcast:", terminal.Line(note))
		}
	}
	if f.out != "" {
		fmt.Fprintf(s.err, "%d of %d sessions are in %s\n", len(r.Sessions), all, terminal.Line(f.out))
	}
	switch {
	case all == 0:
		fmt.Fprintf(s.err, "trailcast: there is no session in the sources; %d events were looked at\n", found.Events)
	case len(r.Sessions) == 0 || len(r.Sessions) < all && !f.sinceGiven:
		fmt.Fprintf(s.err, "trailcast: %d of the %d sessions in the sources fit (--since all takes any time)\n", len(r.Sessions), all)
	}
	if found.Failed != nil || found.Broken > 0 {
		return &exitError{code: exitPartial}
	}
	return nil
}

// period reads --since and --until.
func (f *sessionsFlags) period(now time.Time) (err error) {
	if f.since != "all" {
		if f.query.Since, err = conf.Time(f.since, false, now); err != nil {
			return fmt.Errorf("--since: %w", err)
		}
	}
	if f.query.Until, err = conf.Time(f.until, true, now); err != nil {
		return fmt.Errorf("--until: %w", err)
	}
	if !f.query.Until.IsZero() && !f.query.Since.Before(f.query.Until) {
		return fmt.Errorf("--since %s is not before --until %s", f.since, f.until)
	}
	f.sources.Since, f.sources.Until = f.query.Since, f.query.Until
	return nil
}

func (f *sessionsFlags) gather(ctx context.Context, s streams) (*gather.Result, error) {
	name, data, err := f.config()
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	env := os.LookupEnv
	if f.inputs == "" {
		env = nil // a $ in a file's name is one
	}
	state, err := os.MkdirTemp("", "trailcast-sessions-")
	if err != nil {
		return nil, &exitError{exitFailed, err}
	}
	defer os.RemoveAll(state)
	config, err := build.LoadSources(name, data, env, state)
	if err != nil {
		return nil, f.sourcesError(err, s)
	}
	told := 0
	found, err := gather.Run(ctx, gather.Options{
		Config: config, Log: newLog(build.Log{Level: "warn"}, s), Stdin: s.in, Raw: f.raw,
		Started: func(inputs []pipeline.InputStage) func() { return showProgress(inputs, s.err) },
		Broken: func(e *quarantine.Entry) {
			if told++; told <= tellBroken {
				fmt.Fprintf(s.err, "trailcast: %s: byte %d: %s\n", terminal.Line(e.Object), e.Offset, terminal.Line(e.Reason))
			}
		},
	})
	if err != nil {
		return nil, f.sourcesError(err, s)
	}
	return found, nil
}

// tellBroken is how many pieces that could not be read are told one by one.
const tellBroken = 10

// config returns the sources in the agent's language, and the name to show with mistakes in it.
func (f *sessionsFlags) config() (name string, data []byte, err error) {
	if f.inputs == "" {
		data, err = f.sources.Config()
		return "sources", data, err
	}
	if len(f.sources.Places) > 0 {
		return "", nil, errors.New("--inputs and sources exclude each other")
	}
	if data, err = os.ReadFile(f.inputs); err != nil {
		return "", nil, fmt.Errorf("read the inputs: %w", err)
	}
	return f.inputs, data, nil
}

// sourcesError prints mistakes as those of a file only where there is one.
func (f *sessionsFlags) sourcesError(err error, s streams) error {
	mistakes, ok := errors.AsType[*yamlconf.Errors](err)
	if !ok || f.inputs != "" {
		return configError(err, s)
	}
	var all []error
	for _, m := range mistakes.All() {
		m.Pos = conf.Pos{} // of a text that the user has not written
		all = append(all, errors.New(m.String()))
	}
	return &exitError{exitUsage, errors.Join(all...)}
}

// writers are the formats.
func writers() map[string]func(r *report.Report, w io.Writer, f *sessionsFlags) error {
	return map[string]func(r *report.Report, w io.Writer, f *sessionsFlags) error{
		"table": func(r *report.Report, w io.Writer, _ *sessionsFlags) error {
			width, colour := terminalOf(w)
			return r.WriteTable(w, width, colour)
		},
		"csv":    func(r *report.Report, w io.Writer, _ *sessionsFlags) error { return r.WriteCSV(w) },
		"json":   func(r *report.Report, w io.Writer, _ *sessionsFlags) error { return r.WriteJSON(w) },
		"ndjson": func(r *report.Report, w io.Writer, _ *sessionsFlags) error { return r.WriteNDJSON(w) },
		"html": func(r *report.Report, w io.Writer, f *sessionsFlags) error {
			if f.out == "" {
				return r.WriteHTML(w, nil)
			}
			// A folder of its own, so that no report's texts replace another's. What people typed is for the owner's eyes.
			base := filepath.Base(f.out)
			r.Folder = strings.TrimSuffix(base, filepath.Ext(base)) + "-sessions-" + r.Made.Format("20060102T150405.000Z")
			return r.WriteHTML(w, &folder{path: filepath.Join(filepath.Dir(f.out), r.Folder)})
		},
	}
}

// settleFormat takes the format from the name of the file where no flag gives it.
func (f *sessionsFlags) settleFormat() error {
	if f.format == "" {
		switch ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(f.out)), "."); ext {
		case "csv", "json", "ndjson", "html":
			f.format = ext
		case "htm":
			f.format = "html"
		case "", "txt":
			f.format = "table"
		default:
			return fmt.Errorf("-o %s: the name tells none of the formats; give --format table, csv, json, ndjson or html", f.out)
		}
	}
	if writers()[f.format] == nil {
		return fmt.Errorf("--format %q is none of table, csv, json, ndjson, html", f.format)
	}
	return nil
}

// write writes the report to standard output, or to a file that is there only when it is whole.
func (f *sessionsFlags) write(r *report.Report, s streams) error {
	if f.out == "" {
		return writers()[f.format](r, s.out, f)
	}
	if path, err := filepath.EvalSymlinks(f.out); err == nil {
		f.out = path
	}
	dir := filepath.Dir(f.out)
	if info, err := os.Stat(f.out); err == nil && !info.Mode().IsRegular() {
		return f.writeThrough(r)
	}
	file, err := os.CreateTemp(dir, "."+filepath.Base(f.out)+"-")
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the directory %s is not there", dir)
	}
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // after Rename it is not there
	w := bufio.NewWriter(file)
	err = cmp.Or(writers()[f.format](r, w, f), w.Flush(), file.Chmod(0o600))
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), f.out)
}

// writeThrough writes to what is no file: a device, a pipe.
func (f *sessionsFlags) writeThrough(r *report.Report) error {
	file, err := os.OpenFile(f.out, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(writers()[f.format](r, file, f), file.Close())
}

// terminalOf returns the width of a terminal and whether it shows colours. For anything else it is what COLUMNS says, else
// one that pagers and mails can show.
func terminalOf(w io.Writer) (width int, colour bool) {
	const usual = 160
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
			return n, false
		}
		return usual, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return width, os.Getenv("NO_COLOR") == ""
}

// folder is where the transcripts of an HTML page go. It is made with the first.
type folder struct {
	path string
	made bool
}

// Create implements report.Files.
func (f *folder) Create(name string) (io.WriteCloser, error) {
	if !f.made {
		if err := os.Mkdir(f.path, 0o700); err != nil {
			return nil, err
		}
		f.made = true
	}
	return os.OpenFile(filepath.Join(f.path, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}
