//! Real connections: garbage, slow clients, streams, and the node's farewell.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_secs(10);

async fn served(world: &World) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = server::serve(listener, router(world.rpc.clone()), 8, world.rpc.stop.clone());
    (address, tokio::spawn(serving))
}

async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Everything until the other side closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is a close, too.
    let _ = timeout(SOON, stream.read_to_end(&mut bytes)).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn garbage_ends_its_connection_and_nothing_else() {
    let world = World::new();
    let (address, _serving) = served(&world).await;
    let noise: Vec<u8> = (0..60_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for garbage in [
        &noise[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    ] {
        let answer = rest(send(address, garbage).await).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    let answer =
        rest(send(address, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("{\"status\":\"alive\"}"),
        "{answer}"
    );
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let world = World::new();
    let (address, _serving) = served(&world).await;
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3);
    let mut stream = send(address, &request).await;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(rest(stream).await.matches("HTTP/1.1 200 OK\r\n").count(), 4);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_it_is_sent() {
    let world = World::new();
    let (address, _serving) = served(&world).await;
    let head = "POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let answer = rest(send(address, format!("{head}Content-Length: 1048577\r\n\r\n").as_bytes()).await).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("1048577 bytes"), "{answer}");
    let mut stream = send(address, format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..17 {
        // The node may close while we still send.
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let answer = rest(stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn connections_past_the_limit_wait_for_a_place() {
    let world = World::new();
    let (address, _serving) = served(&world).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        // Answered once, so that it is known to have its place.
        let mut stream = send(address, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut answer = [0; 12];
        timeout(SOON, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        idle.push(stream);
    }
    let mut ninth = send(address, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut answer = [0; 12];
    assert!(timeout(Duration::from_millis(200), ninth.read_exact(&mut answer)).await.is_err());
    idle.pop();
    timeout(SOON, ninth.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// The next event of a stream: its id and its data.
async fn event(stream: &mut BufReader<TcpStream>) -> (String, Value) {
    let (mut id, mut data) = (String::new(), Value::Null);
    loop {
        let mut line = String::new();
        assert!(timeout(SOON, stream.read_line(&mut line)).await.unwrap().unwrap() > 0, "the stream ended");
        match line.trim_end().split_once(": ") {
            Some(("id", value)) => id = value.to_string(),
            Some(("data", value)) => data = serde_json::from_str(value).unwrap(),
            None if line.trim_end().is_empty() && !id.is_empty() => return (id, data),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_stream_resumes_where_it_broke_off_and_goes_on_with_what_is_posted() {
    let world = World::new();
    let close =
        |month| Operation::ClosePeriod { entity: org(STAVANGER), period: Period::new(month).unwrap() };
    let (_, first) = world.post("", &json!({"transaction": base64(&world.opening())})).await;
    let (_, second) =
        world.post("", &json!({"transaction": base64(&world.sign(close(202_601), &[ADMINISTRATOR]))})).await;
    let (address, serving) = served(&world).await;
    let head = "GET /v1/events HTTP/1.1\r\nHost: x\r\n";
    let mut resumed =
        BufReader::new(send(address, format!("{head}Last-Event-ID: 1\r\n\r\n").as_bytes()).await);
    let mut whole = BufReader::new(send(address, b"GET /v1/events?from=1 HTTP/1.1\r\nHost: x\r\n\r\n").await);
    let (id, data) = event(&mut whole).await;
    assert_eq!(
        (id.as_str(), &data["height"], &data["transactions"]),
        ("1", &json!(1), &json!([first["id"]]))
    );
    for stream in [&mut resumed, &mut whole] {
        let (id, data) = event(stream).await;
        assert_eq!(
            (id.as_str(), &data["transactions"], &data["first_leaf"]),
            ("2", &json!([second["id"]]), &json!(4))
        );
    }
    let (_, third) =
        world.post("", &json!({"transaction": base64(&world.sign(close(202_602), &[ADMINISTRATOR]))})).await;
    for stream in [&mut resumed, &mut whole] {
        let (id, data) = event(stream).await;
        assert_eq!((id.as_str(), &data["transactions"]), ("3", &json!([third["id"]])));
    }
    // When the node stops, streams end and the port closes.
    world.stop.send(true).unwrap();
    let mut left = String::new();
    timeout(SOON, whole.read_to_string(&mut left)).await.unwrap().unwrap();
    timeout(SOON, serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
