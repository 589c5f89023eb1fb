//! Prints the description of the API, as `schemas/openapi.json` holds it, and writes the part of it that `examples/okta-workflows` holds:
//! `cargo xtask generate` runs this.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = format!("{}\n", serde_json::to_string_pretty(&refit_server::api::openapi())?);
    match std::env::args_os().nth(1) {
        Some(path) => std::fs::write(path, text)?,
        None => print!("{text}"),
    }
    if let Some(path) = std::env::args_os().nth(2) {
        std::fs::write(
            path,
            format!("{}\n", serde_json::to_string_pretty(&refit_server::api::openapi_for_workflows())?),
        )?;
    }
    Ok(())
}
