//! A server on loopback that misbehaves as told.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What the server does with one request.
#[derive(Clone)]
pub enum Answer {
    /// Sends these bytes and closes the connection.
    Send(Vec<u8>),
    /// Sends these bytes and then nothing, holding the connection until the client leaves.
    Stall(Vec<u8>),
    /// Sends these bytes and then one byte after the other, a pause between them, until the client leaves.
    Drip(Vec<u8>),
    /// Sends these bytes and then more and more, until the client leaves.
    Endless(Vec<u8>),
}

/// A running server; it lives as long as the test process.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Gives one answer after the other, the last again and again.
    pub fn start(answers: Vec<Answer>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/feed", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            let mut answers = answers.into_iter().peekable();
            for connection in listener.incoming() {
                let Ok(connection) = connection else { continue };
                let answer = if answers.len() > 1 { answers.next() } else { answers.peek().cloned() };
                let (seen, answer) = (Arc::clone(&seen), answer.unwrap());
                thread::spawn(move || serve(connection, &answer, &seen));
            }
        });
        Server { url, requests }
    }

    /// The heads of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut connection: TcpStream, answer: &Answer, seen: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    seen.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    match answer {
        Answer::Send(bytes) => _ = connection.write_all(bytes),
        Answer::Stall(bytes) => {
            _ = connection.write_all(bytes);
            while matches!(connection.read(&mut byte), Ok(1)) {}
        }
        Answer::Drip(bytes) => {
            _ = connection.write_all(bytes);
            // Reading with a timeout is the pause; it ends when the client leaves.
            connection.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            while connection.write_all(b" ").is_ok() {
                if matches!(connection.read(&mut byte), Ok(0)) {
                    break;
                }
            }
        }
        Answer::Endless(bytes) => {
            _ = connection.write_all(bytes);
            while connection.write_all(&[b' '; 1 << 14]).is_ok() {}
        }
    }
    let _ = connection.flush();
}

/// A whole response with a status line, headers and a body of the right length.
pub fn respond(status: &str, headers: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    Answer::Send([head.as_bytes(), body].concat())
}

/// A response whose head announces `length` bytes.
pub fn announce(length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}
