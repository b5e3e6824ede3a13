"""The run of a job: arguments, order of tables, inputs, publication and errors."""
