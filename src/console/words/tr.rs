//! Turkish.

use super::{Advice, StoryWords, Words};
use crate::console::vital::Role;
use crate::model::{Section, TroubleKind as T};
use crate::store::{Chapter, Done, InboxKind, ItemKind as I, Noted, Stands};

pub(super) static WORDS: Words = Words {
    overview: "Genel bakış",
    items: "Sizi bekleyenler",
    troubles: "Sorunlar",
    log: "Kim ne yaptı",
    log_in: "Giriş yap",
    log_out: "Çıkış yap",
    theme: ["Otomatik", "Açık", "Koyu"],
    version: "Sürüm",
    as_of: "Durum: {}",
    stale: "Bağlayıcı yanıt vermiyor: gördükleriniz güncel değil.",
    needs_you: "Size ihtiyaç var",
    all_well: "Her şey yolunda",
    all_well_text: "Bir kişinin yapması gereken bir şey yok.",
    by_itself: "Kendiliğinden düzelir",
    since: "başlangıç:",
    details: "Ayrıntılar",
    look: "Bunlara bak",
    database_away: "Veritabanı yanıt vermiyor",
    not_ready: "Hazır değil",
    ways: "İki yön",
    to_deskie: "Site → Deskie",
    to_site: "Deskie → site",
    waiting: "bekliyor",
    nothing_waits: "bekleyen yok",
    oldest: "En uzun bekleyen",
    charts: "Zaman içinde",
    hour: "Son bir saat",
    day: "Son bir gün",
    sent: "Deskie'ye giden mesajlar",
    written: "Siteye yazılan mesajlar",
    lag: "Veritabanının gerisinde",
    budget: "Kullanılan API kotası, dakikada",
    most: "en çok",
    no_samples: "Henüz değer yok: her dakika bir tane alınır.",
    state: "Durum",
    role: "Rol",
    running_since: "Çalışma başlangıcı",
    stream: "Sitedeki değişikliklerin akışı",
    connected: ["bağlı değil", "bağlı"],
    deskie: "Deskie",
    deskie_states: [
        "henüz bir şey sorulmadı",
        "yanıt veriyor",
        "yanıt vermiyor",
        "API anahtarını kabul etmiyor",
    ],
    slot: "Replikasyon slotu",
    slot_away: "yok",
    wal_held: "Tutulan WAL",
    captured: "Son alınan işlem",
    compared: "Destek talepleri şuraya kadar karşılaştırıldı",
    repair: "Son tamamlama",
    leader: "Lider",
    nobody: "hiç kimse",
    queues: [
        "Bakılacak satır değişiklikleri",
        "Deskie'ye gidecek mesajlar",
        "bunlardan sonucu belirsiz olanlar",
        "İşlenecek webhooklar",
        "Okunacak destek talepleri",
        "Siteye yazılacak yanıtlar",
        "Bir kişiyi bekleyenler",
    ],
    totals: [
        "Destek talebi olan kayıtlar",
        "Deskie'ye iletilen mesajlar",
        "Siteye yazılan mesajlar",
    ],
    passed_over: "Atlanan satırlar",
    none: "yok",
    nothing_parked: "Hiçbir şey sizi beklemiyor.",
    all_kinds: "Tümü",
    ticket: "Sitedeki kayıt",
    unknown: "bilinmiyor",
    why: "Neden",
    what_to_do: "Ne yapmalı",
    retry: "Yeniden dene",
    discard: "Vazgeç…",
    discard_sure: "Bundan vazgeçilir ve geri getirilemez. Arkasındakiler devam eder.",
    discard_yes: "Evet, vazgeç",
    retry_all: "Bu türün hepsini yeniden dene",
    discard_all: "Bu türün hepsinden vazgeç…",
    reason: "Neden",
    page_of: "Sayfa {} / {}",
    older: "Daha eski",
    newer: "Daha yeni",
    to_change: "Metinleri görmek, yeniden denemek ya da vazgeçmek için giriş yapın.",
    no_token: "Burada bir şey değiştirilemez: [server] admin_token ayarlı değil. Onun yerine `deskie-cdc failed` kullanın.",
    behind: "Aynı kaydın {} işi bunun arkasında bekliyor.",
    attempts: "Deneme sayısı",
    row: "Sitedeki satır",
    request: "Gönderilecek ya da yazılacak olan",
    answer: "Deskie'nin yanıtı",
    progress: "Nereye kadar geldi",
    texts_hidden: "Metinler giriş yaptıktan sonra gösterilir.",
    gone: "Bu numarayla bekleyen bir şey kalmadı: halledildi.",
    now: "Şimdi",
    past: "Geçmiş",
    until: "bitiş:",
    who: "Kim",
    when: "Ne zaman",
    did: "Ne yaptı",
    nobody_acted: "Henüz kimse bir şey yapmadı.",
    program: "bir program",
    command: "komut satırı",
    token: "Yönetici anahtarı (token)",
    your_name: "Adınız",
    log_in_text: "Anahtar, yapılandırmada [server] admin_token olarak durur. Yaptıklarınızın yanına adınız yazılır.",
    token_wrong: "Anahtar yanlış.",
    token_too_soon: "Az önce yanlış bir anahtar girildi: birkaç saniye sonra yeniden deneyin.",
    retried: "{}: yeniden deneniyor.",
    discarded: "{}: vazgeçildi.",
    left: "Bu türden {} tane kaldı: yeniden basın.",
    pause: "Duraklat",
    resume: "Devam ettir",
    is_paused: "Duraklatıldı",
    paused: "{}: duraklatıldı. Hiçbir şey kaybolmaz: gelenler saklanır ve bekler.",
    resumed: "{}: devam ediyor.",
    search: "Ara",
    search_hint: "Kayıt, destek talebi numarası veya e-posta",
    nothing_found: "Bir şey bulunamadı. Kayıt anahtarını, destek talebi numarasını ya da e-posta adresini eksiksiz yazın.",
    story: "Kaydın geçmişi",
    newest_lines: "En yeni {} satır.",
    deleted: "sitede silinmiş",
    under_a_second: "1 sn altında",
    units: ["sn", "dk", "saat", "gün"],
    roles,
    trouble,
    kind,
    advice,
    done,
    chapter,
    particulars: Some(&STORY),
};

fn roles(role: Role) -> &'static str {
    match role {
        Role::Starting => "başlıyor",
        Role::Leader => "lider",
        Role::Standby => "yedek: başka bir kopya lider",
        Role::Stopping => "duruyor",
    }
}

fn trouble(kind: T) -> (&'static str, &'static str) {
    match kind {
        T::Held => (
            "Her şey bekletiliyor",
            "Bu veritabanının gönderip göndermeyeceğine karar verin: komut ayrıntılarda.",
        ),
        T::SiteRefused => (
            "Sitenin kendi değişiklikleri reddediliyor",
            "Ayrıntılardaki komutu hemen çalıştırın.",
        ),
        T::Paused => (
            "Bir kişi tarafından duraklatıldı",
            "Nedeni ortadan kalkınca genel bakışta ya da `deskie-cdc resume` ile devam ettirin.",
        ),
        T::Parked => (
            "Sizi bekleyenler var",
            "Her birini açın, nedenini giderin, sonra yeniden deneyin ya da vazgeçin.",
        ),
        T::ResolvingStopped => (
            "Deskie'ye hiçbir şey gitmiyor: eşleme uymuyor",
            "Yapılandırmadaki yeri ya da tabloyu düzeltin; kendiliğinden devam eder.",
        ),
        T::WritingStopped => (
            "Siteye hiçbir şey gelmiyor: eşleme uymuyor",
            "Yapılandırmadaki yeri ya da tabloyu düzeltin; kendiliğinden devam eder.",
        ),
        T::Unrepaired => (
            "Bir boşluğun satırları alınamıyor",
            "Ayrıntılarda yazanı düzeltin; kendiliğinden devam eder.",
        ),
        T::Unpublished => (
            "Bir tablo akışta değil",
            "`deskie-cdc setup` çalıştırın; kaçırılanlar tamamlanır.",
        ),
        T::TableChanged => (
            "Bir tablo izlenemeyecek biçimde değişti",
            "Ayrıntılarda yazanı yapın.",
        ),
        T::StandbyAwaited => (
            "Bir yedek sunucu akışı geciktiriyor",
            "Onu geri getirin ya da synchronized_standby_slots listesinden çıkarın.",
        ),
        T::StreamAwaited => (
            "İşlemler, yedek sunucuymuş gibi bağlayıcının akışını bekliyor",
            "synchronous_standby_names içinde * yerine yedek sunucuları adlandırın.",
        ),
        T::ClockUntrusted => (
            "Satırların saatleri tutmuyor",
            "Saat dilimini ayrıntılardaki gibi yapılandırmaya yazın.",
        ),
        T::CaseUnreadable => (
            "Deskie bazı destek taleplerini okutmuyor",
            "Deskie'de API temsilcisine erişim verin, sonra yeniden deneyin.",
        ),
        T::CaseEstranged => (
            "Destek talepleri başka bir kayda ait",
            "Bu destek taleplerinin kayıt alanını Deskie'de karşılaştırın.",
        ),
        T::KeyRevoked => (
            "Deskie API anahtarını kabul etmiyor",
            "Yapılandırmaya geçerli bir anahtar yazıp yeniden başlatın ya da temsilcisini etkinleştirin. Hiçbir şey kaybolmaz.",
        ),
        T::DeskieUnreachable => (
            "Deskie yanıt vermiyor",
            "Bir şey yapmayın. Yanıt verince bekleyenler gönderilir.",
        ),
        T::StreamDown => (
            "Sitedeki değişiklikler akmıyor",
            "Sürerse `deskie-cdc check` çalıştırın: nedenini söyler.",
        ),
        T::SlotLost => (
            "Replikasyon slotu kaybedildi",
            "Bir şey yapmayın. Kaçırılanlar tablolardan tamamlanır.",
        ),
        T::Stopped => (
            "Bağlayıcı çalışmıyor ve slotu veritabanının WAL'ını tutuyor",
            "Başlatın: `deskie-cdc run` ya da servisi. Artık çalışmayacaksa: `deskie-cdc uninstall`.",
        ),
        T::WalHeld => (
            "Veritabanı bizim için çok fazla WAL tutuyor",
            "Almanın neden ilerlemediğine bakın: günlükte yazar.",
        ),
        T::SweepFailing => (
            "Deskie'nin güncellenen destek talepleri listesi alınamıyor",
            "Ayrıntılarda yazanı düzeltin (temsilcinin Deskie'deki yetkisi ya da veritabanı); kendiliğinden devam eder.",
        ),
        T::RuleSilent => (
            "Bu yanıtları hiçbir webhook bildirmiyor",
            "Yanıtlar dakikalar sonra gelir. Deskie'de ayrıntılarda adı geçen kurala (deskie-cdc rules) ve adresine ulaşılıp ulaşılmadığına bakın.",
        ),
        T::StreamUnstable => (
            "Sitenin değişiklik akışı tekrar tekrar kesiliyor",
            "Neyin kestiğine bakın: bir vekil sunucunun ya da güvenlik duvarının zaman aşımı, yeniden başlayan bir sunucu. Hiçbir şey kaybolmaz.",
        ),
        T::Waiting => (
            "Bir şey çok uzun bekliyor",
            "Aşağıda hangi kuyruğun uzun olduğuna ve başka neyin yanlış olduğuna bakın.",
        ),
    }
}

fn kind(kind: I) -> &'static str {
    match kind {
        I::Delivery => "Deskie'ye gidecek mesaj",
        I::Reply => "Siteye yazılacak yanıt",
        I::Status => "Siteye yazılacak durum",
        I::Birth => "Siteye yazılacak yeni destek talebi",
        I::Orphan => "Bir kayda ait olduğunu söyleyen destek talebi",
        I::Change => "Satır değişikliği",
        I::Bulk => "Birden çok yeni destek talebi",
    }
}

fn advice(of: Advice) -> [&'static str; 3] {
    match of {
        Advice::InDoubt => [
            "Deskie'nin bunu yapıp yapmadığı bilinmiyor. Deskie'deki destek talebinde metni arayın.",
            "Orada yok: yeniden dene, tekrar gönderir.",
            "Orada var: vazgeçin.",
        ],
        Advice::Of(I::Delivery) => [
            "Nedende yazanı düzeltin: eşleme, sitedeki satır ya da Deskie'deki ayarlar.",
            "Yeniden dene, kayıttaki sırasında gönderir.",
            "Vazgeç: Deskie'ye hiç ulaşmaz.",
        ],
        Advice::Of(I::Reply) => [
            "Nedende yazanı düzeltin: eşleme, bağlayıcı kullanıcısının yetkisi ya da satır.",
            "Yeniden dene, yazar.",
            "Vazgeç: site bu yanıtı almaz; yanıt Deskie'de kalır.",
        ],
        Advice::Of(I::Status) => [
            "Nedende yazanı düzeltin: eşleme, bağlayıcı kullanıcısının yetkisi ya da satır.",
            "Yeniden dene, durumu yazar.",
            "Vazgeç: sitedeki kayıt olduğu gibi kalır.",
        ],
        Advice::Of(I::Birth) => [
            "Nedende yazanı düzeltin: yapılandırmanın [case] bölümü, bir yetki ya da bir satır.",
            "Yeniden dene, sitedeki kaydı oluşturur.",
            "Vazgeç: destek talebi yalnızca Deskie'de kalır.",
        ],
        Advice::Of(I::Orphan) => [
            "Deskie'de bu talebin kayıt alanı, zaten başka bir destek talebi olan bir kaydı gösteriyor. Alanı orada boşaltın.",
            "Yeniden dene, Deskie'ye tekrar sorar.",
            "Vazgeç: bu destek talebinden siteye hiçbir şey yazılmaz.",
        ],
        Advice::Of(I::Change) => [
            "Nedende yazanı düzeltin: eşleme ya da sitedeki satır.",
            "Yeniden dene, değişikliği alır.",
            "Vazgeç: söylediği şey Deskie'ye hiç ulaşmaz.",
        ],
        Advice::Of(I::Bulk) => [
            "Kayıtlara bakın: Deskie için yeni mi, yoksa eskilerin aktarımı mı?",
            "Deskie içinse: yeniden dene, her biri için destek talebi açar.",
            "Aktarımsa: vazgeç, hepsini bırakır.",
        ],
    }
}

fn done(done: Done) -> &'static str {
    match done {
        Done::LogIn => "giriş yaptı",
        Done::Retry => "yeniden denedi",
        Done::Discard => "vazgeçti",
        Done::Pause => "duraklattı",
        Done::Resume => "devam ettirdi",
    }
}

fn chapter(chapter: Chapter) -> &'static str {
    match chapter {
        Chapter::Row => "Satır görüldü",
        Chapter::Queued => "Deskie için sıraya alındı",
        Chapter::Webhook => "Webhook",
        Chapter::Message => "Deskie'de mesaj",
        Chapter::Written => "Satır yazıldı",
        Chapter::Note => "",
    }
}

const STORY: StoryWords = StoryWords {
    section,
    stands,
    noted,
    webhook,
    part: "bölüm {}",
    repeated: "{} kez yinelendi",
    message: "mesaj {}",
    became: "mesaj {} → satır {}",
};

fn section(section: Section) -> &'static str {
    match section {
        Section::Ticket => "kayıt",
        Section::Message => "mesaj",
        Section::Attachment => "dosya",
    }
}

fn stands(stands: Stands) -> &'static str {
    match stands {
        Stands::Seen => "görüldü, henüz Deskie için değil",
        Stands::Unresolved => "eşlemesi bekleniyor",
        Stands::Queued => "sırada",
        Stands::Sending => "gönderiliyor",
        Stands::Doubt => "belirsiz: Deskie'ye soruluyor",
        Stands::Delivered => "teslim edildi",
        Stands::Skipped => "atlandı",
        Stands::Parked => "bir kişiyi bekliyor",
        Stands::Discarded => "vazgeçildi",
        Stands::Written => "siteye yazıldı",
        Stands::Ours => "kendi gönderdiğimiz",
        Stands::Note => "iç not, Deskie'de kalır",
        Stands::Pending => "yazılacak",
        Stands::Waiting => "bekliyor",
        Stands::Done => "işlendi",
        Stands::Foreign => "sitenin olmayan bir destek talebi",
        Stands::Failed => "okunamadı",
    }
}

fn noted(noted: Noted) -> &'static str {
    match noted {
        Noted::CreateCase => "Destek talebi açıldı",
        Noted::AddMessage => "Mesaj eklendi",
        Noted::AddNote => "Not eklendi",
        Noted::UpdateCase => "Destek talebi güncellendi",
        Noted::EditMessage => "Mesaj değiştirildi",
        Noted::CaseFound => "Destek talebi bulundu",
        Noted::CaseMerged => "Destek talebi birleştirildi",
        Noted::ChangedInDeskie => "Deskie'de değiştirildi",
        Noted::CaseAnothers => "Destek talebi başkasına ait",
        Noted::CaseItsOwn => "Destek talebi yine kendisinin",
        Noted::AnotherAccount => "Başka bir Deskie hesabı",
        Noted::BornInDeskie => "Deskie'de doğdu",
        Noted::TicketDeleted => "Kayıt sitede silindi",
        Noted::Renumbered => "Sitenin satırları yeniden numaralandı",
        Noted::DeliveryParked => "Gönderim bir kişiyi bekliyor",
        Noted::ReplyParked => "Yanıt bir kişiyi bekliyor",
        Noted::StatusParked => "Durum bir kişiyi bekliyor",
        Noted::ChangeParked => "Değişiklik bir kişiyi bekliyor",
        Noted::FileParked => "Dosya bir kişiyi bekliyor",
        Noted::ChangeDropped => "Değişiklik düşürüldü",
        Noted::StatusWritten => "Durum siteye yazıldı",
        Noted::StatusSkipped => "Durum atlandı",
        Noted::TriedAgain => "Yeniden denendi",
        Noted::Discarded => "Vazgeçildi",
        Noted::NotAsWritten => "Yazıldığı gibi gönderilmedi",
        Noted::PlainText => "Düz metin olarak gösterildi",
        Noted::FilesNotCompared => "Dosyalar karşılaştırılamadı",
        Noted::Unreadable => "Deskie'de okunamıyor",
    }
}

fn webhook(webhook: InboxKind) -> &'static str {
    match webhook {
        InboxKind::Rule => "kural",
        InboxKind::Channel => "kanal",
    }
}
