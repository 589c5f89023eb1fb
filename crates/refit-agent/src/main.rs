//! `refit-agent`: Refit on the endpoint.

fn main() -> std::process::ExitCode {
    refit_agent::program::cli::main()
}
