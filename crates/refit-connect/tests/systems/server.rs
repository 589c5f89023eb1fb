//! A double of a system: it answers each request as a function says.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// A request as the double got it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// How many requests came before.
    pub before: usize,
}

/// What the double does with a request.
pub enum Answer {
    /// A whole answer: status, headers, body.
    Whole(u16, Vec<(&'static str, String)>, String),
    /// A whole answer of bytes: headers, body.
    Bytes(Vec<(&'static str, String)>, Vec<u8>),
    /// An answer that is cut after its first half.
    Cut(String),
    /// Nothing, and the connection is closed.
    Nothing,
    /// Nothing for this time, then the answer.
    Late(Duration, String),
}

pub fn json(body: impl ToString) -> Answer {
    Answer::Whole(200, vec![("content-type", "application/json".into())], body.to_string())
}

pub fn status(status: u16, headers: &[(&'static str, &str)]) -> Answer {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Answer::Whole(status, headers, r#"{"message":"as the test wants it"}"#.to_owned())
}

/// A running double; it lives as long as the test process.
pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (all, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (all, answer) = (Arc::clone(&all), Arc::clone(&answer));
                thread::spawn(move || serve(connection, answer.as_ref(), &all));
            }
        });
        Server { url, asked }
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The paths of all requests so far.
    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

fn serve(mut connection: TcpStream, answer: &(dyn Fn(&Asked) -> Answer + Send + Sync), all: &Mutex<Vec<Asked>>) {
    let Some(mut asked) = read(&mut connection) else { return };
    {
        let mut all = all.lock().unwrap();
        asked.before = all.len();
        all.push(asked.clone());
    }
    let whole = |status: u16, headers: &[(&'static str, String)], body: &str| {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
    };
    let bytes = match answer(&asked) {
        Answer::Nothing => return,
        Answer::Bytes(mut headers, body) => {
            headers.push(("content-length", body.len().to_string()));
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let _ = connection.write_all(format!("HTTP/1.1 200 X\r\nconnection: close\r\n{headers}\r\n").as_bytes());
            let _ = connection.write_all(&body);
            return;
        }
        Answer::Whole(status, headers, body) => whole(status, &headers, &body),
        Answer::Cut(body) => {
            let mut bytes = whole(200, &[], &body);
            bytes.truncate(bytes.len() - body.len() / 2);
            bytes
        }
        Answer::Late(time, body) => {
            thread::sleep(time);
            whole(200, &[], &body)
        }
    };
    let _ = connection.write_all(bytes.as_bytes());
}

fn read(connection: &mut TcpStream) -> Option<Asked> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    connection.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Asked {
        method,
        path: path.to_owned(),
        query: pairs(query),
        headers,
        body: String::from_utf8(body).unwrap(),
        before: 0,
    })
}

/// The pairs of a query or a form.
pub fn pairs(text: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let (mut bytes, mut rest) = (Vec::new(), text.bytes());
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                b'+' => b' ',
                byte => byte,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}
