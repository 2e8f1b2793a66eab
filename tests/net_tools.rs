//! Against clients that nobody here wrote: curl, wrk, nc, socat.

#[path = "common/backends.rs"]
mod backends;
#[path = "common/tools.rs"]
mod tools;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;

use backends::on_each;
use corobin::net::{TcpListener, TcpStream, UnixListener};
use corobin::spawn;
use tools::{has, output};

/// Serves each connection until its end.
fn serve(serve: impl Fn(TcpStream) -> std::io::Result<()> + Copy + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            spawn(move || serve(stream));
        }
    });
    address
}

fn echo(stream: TcpStream) -> std::io::Result<()> {
    std::io::copy(&mut &stream, &mut &stream).map(drop)
}

fn http(stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if body.is_empty() {
            body = b"hello".to_vec();
        }
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        (&stream).write_all(head.as_bytes())?;
        (&stream).write_all(&body)?;
    }
}

#[test]
fn curl_fetches_and_posts() {
    if !has("curl") {
        return;
    }
    on_each(|| {
        let url = format!("http://{}/", serve(http));
        // Two of the requests share a connection.
        let text = output("curl", &["-sS", &url, &url], b"");
        assert_eq!(text, b"hellohello");
        let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let arguments = ["-sS", "-H", "Expect:", "--data-binary", "@-", &url];
        assert!(output("curl", &arguments, &body) == body);
    });
}

#[test]
fn wrk_finds_no_error() {
    if !has("wrk") {
        return;
    }
    on_each(|| {
        let url = format!("http://{}/", serve(http));
        let text = output("wrk", &["-t1", "-c50", "-d1s", &url], b"");
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("requests in"), "{text}");
        for trouble in ["Socket errors", "Non-2xx"] {
            assert!(!text.contains(trouble), "{text}");
        }
    });
}

#[test]
fn nc_and_socat_get_back_what_they_send() {
    let sent: Vec<u8> = (0..300_000u32).map(|n| (n % 253) as u8).collect();
    on_each(|| {
        let port = serve(echo).port().to_string();
        if has("nc") {
            let got = output("nc", &["-N", "127.0.0.1", &port], &sent);
            assert!(got == sent);
        }
        if has("socat") {
            let to = format!("TCP4:127.0.0.1:{port}");
            assert!(output("socat", &["-t60", "-", &to], &sent) == sent);
        }
    });
}

#[test]
fn socat_talks_to_a_unix_socket() {
    if !has("socat") {
        return;
    }
    let name = format!("corobin-{}-socat", std::process::id());
    let path = std::env::temp_dir().join(name);
    on_each(|| {
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let server = spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            std::io::copy(&mut &stream, &mut &stream).unwrap()
        });
        let to = format!("UNIX-CONNECT:{}", path.display());
        let got = output("socat", &["-t60", "-", &to], b"over a path");
        assert_eq!(got, b"over a path");
        assert_eq!(server.join().unwrap(), 11);
    });
    std::fs::remove_file(&path).unwrap();
}
