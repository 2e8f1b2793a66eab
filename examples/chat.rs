//! A chat room: each line that somebody sends goes to all others.
//!
//! ```text
//! cargo run --example chat -- 127.0.0.1:6667
//! nc 127.0.0.1 6667
//! ```

use std::io::{self, BufRead, BufReader, Write};
use std::time::Duration;

use corobin::net::{SocketAddr, TcpListener, TcpStream};
use corobin::sync::{BroadcastError, BroadcastReceiver, BroadcastSender, broadcast};
use corobin::{scope, sleep, spawn};

/// Who falls this many lines behind misses some.
const BACKLOG: usize = 256;

#[derive(Clone)]
struct Line {
    from: SocketAddr,
    text: String,
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:6667");
    corobin::run(|| {
        let listener = TcpListener::bind(address)?;
        println!("listening at {}", listener.local_addr()?);
        let (room, _) = broadcast(BACKLOG);
        loop {
            match listener.accept() {
                Ok((stream, guest)) => {
                    let (room, lines) = (room.clone(), room.subscribe());
                    spawn(move || attend(&stream, guest, &room, lines));
                }
                Err(error) => {
                    eprintln!("cannot accept: {error}");
                    sleep(Duration::from_millis(100));
                }
            }
        }
    })
}

/// One guest, from coming to going.
fn attend(
    stream: &TcpStream,
    guest: SocketAddr,
    room: &BroadcastSender<Line>,
    lines: BroadcastReceiver<Line>,
) {
    let say = |text: String| {
        // Nobody listens: nobody misses it.
        let _ = room.send(Line { from: guest, text });
    };
    scope(|s| {
        say("comes in".into());
        s.spawn(|| listen(stream, guest, lines));
        for line in BufReader::new(stream).lines() {
            match line {
                Ok(line) => say(format!("says {line}")),
                Err(_) => break,
            }
        }
        say("leaves".into());
        s.cancel();
    });
}

/// Writes what others say, until that fails.
fn listen(mut stream: &TcpStream, guest: SocketAddr, lines: BroadcastReceiver<Line>) {
    let mut text = format!("you are {guest}\n");
    while stream.write_all(text.as_bytes()).is_ok() {
        text = match lines.recv() {
            Ok(line) if line.from == guest => String::new(),
            Ok(line) => format!("{} {}\n", line.from, line.text),
            Err(BroadcastError::Lagged(count)) => format!("({count} lines missed)\n"),
            Err(BroadcastError::Closed | BroadcastError::Empty) => return,
        };
    }
}
