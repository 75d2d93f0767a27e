//! Serves `dist/` on this machine alone.

use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use tiny_http::{Header, Request, Response, Server};

use crate::run::{Done, root};

/// Serves until it is interrupted.
pub(crate) fn serve(port: u16) -> Done {
    let server = start(port)?;
    println!("\n  http://{}/   (Ctrl-C to stop)", server.server_addr());
    for request in server.incoming_requests() {
        answer(request);
    }
    Ok(())
}

/// Serves in the background; the address.
pub(crate) fn in_background() -> Done<String> {
    let server = Arc::new(start(0)?);
    let address = format!("http://{}/", server.server_addr());
    std::thread::spawn(move || server.incoming_requests().for_each(answer));
    Ok(address)
}

fn start(port: u16) -> Done<Server> {
    Server::http(("127.0.0.1", port))
        .map_err(|error| format!("Port {port} could not be taken ({error}); name another with --port."))
}

fn answer(request: Request) {
    let response = file_of(request.url()).and_then(|path| {
        let kind = kind(&path);
        File::open(path).ok().map(|file| (file, kind))
    });
    // A reader who goes away needs no answer.
    let _ = match response {
        Some((file, kind)) => match Header::from_bytes("Content-Type", kind) {
            Ok(header) => request.respond(Response::from_file(file).with_header(header)),
            Err(()) => request.respond(Response::from_file(file)),
        },
        None => request.respond(Response::from_string("404 Not Found").with_status_code(404)),
    };
}

/// The file of an address; none outside of `dist/`.
fn file_of(url: &str) -> Option<PathBuf> {
    let path = url.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
    let path = Path::new(if path.is_empty() { "index.html" } else { path });
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_inside.then(|| root().join("dist").join(path))
}

fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        _ => "application/octet-stream",
    }
}
