package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/internal/yamlconf"
)

const defaultConfig = "trailcast.yaml"

// configFlag adds -c to a command.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", defaultConfig, "configuration file")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // the flag is there
}

// pluginFlag adds --fluent-bit to a command that also takes the Config_File of the Fluent Bit plugin.
func pluginFlag(cmd *cobra.Command, plugin *bool) {
	cmd.Flags().BoolVar(plugin, "fluent-bit", false, "the file is the Config_File of the Fluent Bit plugin")
}

// loadConfig reads and checks a configuration, the agent's or the plugin's; its mistakes are printed with excerpts.
func loadConfig(path string, plugin bool, s streams) (*build.Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("read the configuration: %w", err)}
	}
	if plugin {
		config, err := build.LoadPlugin(path, data, os.LookupEnv)
		if err != nil {
			return nil, configError(err, s)
		}
		return config.Pipeline(), nil
	}
	config, err := build.Load(path, data, os.LookupEnv)
	if err != nil {
		return nil, configError(err, s)
	}
	return config, nil
}

// configError prints mistakes of a configuration; another error is returned as it is.
func configError(err error, s streams) error {
	mistakes, ok := errors.AsType[*yamlconf.Errors](err)
	if !ok {
		return &exitError{exitFailed, err}
	}
	if err := mistakes.Format(s.err); err != nil {
		return &exitError{exitFailed, err}
	}
	return &exitError{code: exitUsage}
}

// newLog is the agent's own log. Event data never goes there; names of files and errors do, quoted where they hold
// control characters.
func newLog(c build.Log, s streams) *slog.Logger {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(c.Level)) // checked by the decoder
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(s.err, options))
	}
	return slog.New(slog.NewTextHandler(s.err, options))
}
