// Package pipeline holds the contracts between inputs, filters and outputs, and the engine that runs events through
// them: Event and Frame, the Input, Filter and Output interfaces, outcomes and quarantine. It knows nothing of AWS or
// of any transport and imports the standard library only.
package pipeline
