//! Prints the description of the API, as `schemas/openapi.json` holds it: `cargo xtask generate` runs this.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = format!("{}\n", serde_json::to_string_pretty(&refit_server::api::openapi())?);
    match std::env::args_os().nth(1) {
        Some(path) => std::fs::write(path, text)?,
        None => print!("{text}"),
    }
    Ok(())
}
