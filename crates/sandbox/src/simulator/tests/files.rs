//! Forms and files.

use super::*;

#[tokio::test]
async fn forms_and_files_are_read_with_brackets() {
    let (simulator, caller) = start(Options::default()).await;
    let file = reqwest::multipart::Part::bytes(b"\x00\r\n--x\xff".to_vec());
    let file = file.file_name("şema \"1\".bin").mime_str("image/png").unwrap();
    let form = reqwest::multipart::Form::new()
        .text("case[user_email]", "ada@example.com")
        .text("case[subject]", "Dosya")
        .text("case[content]", "bak")
        .text("case[custom_fields][cf_25]", "T-7")
        .part("case[attachments][1]", file);
    let answer = caller
        .request("POST", "cases.json")
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    let case = answer.json::<Value>().await.unwrap()["case"].clone();
    let stored = &case["attachments"][0];
    assert_eq!(
        (&stored["file_name"], &stored["file_size"]),
        (&json!("şema \"1\".bin"), &json!(7))
    );
    assert_eq!(simulator.books().cases_with_field(25, "T-7").len(), 1);
    let kept = simulator.books().cases[0].messages[0].attachments[0]
        .sha256
        .clone();
    assert_eq!((kept.len(), &kept[..8]), (64, "f4812b79"), "{kept}");

    let url = stored["url"].as_str().unwrap();
    let page = caller.http.get(url).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("<title>Log in</title>"));
    let file = caller
        .http
        .get(url)
        .basic_auth(&caller.user, Some(&caller.key))
        .send()
        .await
        .unwrap();
    assert_eq!(file.headers()["content-type"], "image/png");
    assert_eq!(file.bytes().await.unwrap().as_ref(), b"\x00\r\n--x\xff");

    let body =
        "message[user_id]=".to_owned() + &case["user_id"].to_string() + "&message%5Bcontent%5D=a%26b+c";
    let request = caller.request("POST", &format!("cases/{}/messages.json", case["case_id"]));
    let request = request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    assert_eq!(
        request.send().await.unwrap().json::<Value>().await.unwrap()["message"]["content"],
        "a&b c"
    );

    let linked = json!({"user_id": case["user_id"], "attachment_urls": ["https://cdn.example/a.jpg"]});
    let linked = caller.add(&case, linked).await;
    assert_eq!(linked["attachments"][0]["file_name"], "a.jpg");
}

#[tokio::test]
async fn a_file_over_25_megabytes_is_refused() {
    let (simulator, caller) = start(Options::default()).await;
    let form = reqwest::multipart::Form::new()
        .text("case[user_email]", "ada@example.com")
        .text("case[subject]", "s")
        .part(
            "case[attachments][0]",
            reqwest::multipart::Part::bytes(vec![b'x'; 25 * 1024 * 1024 + 1]).file_name("x"),
        );
    let answer = caller
        .request("POST", "cases.json")
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(
        answer.json::<Value>().await.unwrap()["error"],
        "attachment_too_large"
    );
    assert!(simulator.books().cases.is_empty());
}

#[tokio::test]
async fn a_request_over_50_megabytes_is_refused_and_files_may_be_lost() {
    let (simulator, caller) = start(Options {
        keeps_files: Some(1),
        ..Options::default()
    })
    .await;
    let post = |size: usize| {
        let mut form = reqwest::multipart::Form::new()
            .text("case[user_email]", "ada@example.com")
            .text("case[subject]", "s")
            .text("case[content]", "c");
        for n in 0..3 {
            let part = reqwest::multipart::Part::bytes(vec![b'x'; size]).file_name(format!("{n}"));
            form = form.part(format!("case[attachments][{n}]"), part);
        }
        caller.request("POST", "cases.json").multipart(form).send()
    };
    // Each is small enough, together they are not.
    let answer = post(17 * 1024 * 1024).await.unwrap();
    assert_eq!(answer.status(), 413);
    assert!(simulator.books().cases.is_empty());
    let answer = post(1).await.unwrap();
    assert_eq!(answer.status(), 201);
    let case = answer.json::<Value>().await.unwrap()["case"].clone();
    assert_eq!(case["attachments"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn attachment_urls_are_downloaded_from_loopback_only_and_may_fail() {
    let (simulator, caller) = start(Options {
        fetch_loopback_attachments: true,
        ..Options::default()
    })
    .await;
    let case = caller.create(json!({})).await;
    let here = format!("{}/user/attachments/1", simulator.url());
    let urls = json!([here, "http://127.0.0.1:9/gone", "https://cdn.example/a.jpg"]);
    let message = caller
        .add(
            &case,
            json!({"user_id": case["user_id"], "attachment_urls": urls}),
        )
        .await;
    let sizes: Vec<_> = message["attachments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| id(file, "file_size"))
        .collect();
    assert_eq!(sizes.len(), 2, "{message}");
    assert!(sizes[0] > 0 && sizes[1] == 0, "{message}");
    let books = simulator.books();
    let sources = books.cases[0].messages[1]
        .attachments
        .iter()
        .map(|file| file.source_url.as_deref());
    assert_eq!(
        sources.collect::<Vec<_>>(),
        [Some(here.as_str()), Some("https://cdn.example/a.jpg")]
    );
}

#[tokio::test]
async fn links_name_the_address_that_others_reach_it_at() {
    let (_simulator, caller) = start(Options {
        public_url: Some("http://desk.example:1/".to_owned()),
        ..Options::default()
    })
    .await;
    let form = reqwest::multipart::Form::new()
        .text("case[user_email]", "ada@example.com")
        .text("case[subject]", "A file")
        .text("case[content]", "see")
        .part(
            "case[attachments][1]",
            reqwest::multipart::Part::bytes(b"x".to_vec()).file_name("a"),
        );
    let answer = caller
        .request("POST", "cases.json")
        .multipart(form)
        .send()
        .await
        .unwrap();
    let case = answer.json::<Value>().await.unwrap()["case"].clone();
    let url = case["attachments"][0]["url"].as_str().unwrap();
    assert!(
        url.starts_with("http://desk.example:1/user/attachments/"),
        "{url}"
    );
}
