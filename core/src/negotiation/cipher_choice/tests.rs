//! The whole table of cipher wishes and server rules.

use std::vec::Vec;

use super::CipherSuite::{
    Aes128Cfb, Aes128Gcm, Aes192Cfb, Aes192Gcm, Aes256Cfb, Aes256Gcm, AuthOnly,
};
use super::CipherWish::{Aes, AesCfb, AesGcm};
use super::KeyBits::{B128, B192, B256};
use super::*;

const ANY: &[CipherSuite] = &[
    AuthOnly, Aes128Gcm, Aes192Gcm, Aes256Gcm, Aes128Cfb, Aes192Cfb, Aes256Cfb,
];
const GCM: &[CipherSuite] = &[Aes128Gcm, Aes192Gcm, Aes256Gcm];
const CFB: &[CipherSuite] = &[Aes128Cfb, Aes192Cfb, Aes256Cfb];
const UNENCRYPTED: &[CipherSuite] = &[AuthOnly];

fn chosen(wish: CipherWish, allowed: &[CipherSuite]) -> Option<CipherSuite> {
    let offered: Vec<u8> = wish.suites().iter().map(|suite| suite.id()).collect();
    choose(&offered, allowed)
}

#[test]
fn each_wish_meets_each_kind_of_server_as_the_table_says() {
    for (wish, any, gcm, cfb, unencrypted) in [
        (CipherWish::None, Some(AuthOnly), None, None, Some(AuthOnly)),
        (
            Aes(B128),
            Some(Aes128Gcm),
            Some(Aes128Gcm),
            Some(Aes128Cfb),
            None,
        ),
        (
            Aes(B192),
            Some(Aes192Gcm),
            Some(Aes192Gcm),
            Some(Aes192Cfb),
            None,
        ),
        (
            Aes(B256),
            Some(Aes256Gcm),
            Some(Aes256Gcm),
            Some(Aes256Cfb),
            None,
        ),
        (AesGcm(B128), Some(Aes128Gcm), Some(Aes128Gcm), None, None),
        (AesGcm(B192), Some(Aes192Gcm), Some(Aes192Gcm), None, None),
        (AesGcm(B256), Some(Aes256Gcm), Some(Aes256Gcm), None, None),
        (AesCfb(B128), Some(Aes128Cfb), None, Some(Aes128Cfb), None),
        (AesCfb(B192), Some(Aes192Cfb), None, Some(Aes192Cfb), None),
        (AesCfb(B256), Some(Aes256Cfb), None, Some(Aes256Cfb), None),
    ] {
        assert_eq!(chosen(wish, ANY), any, "{wish:?}, any");
        assert_eq!(chosen(wish, GCM), gcm, "{wish:?}, GCM only");
        assert_eq!(chosen(wish, CFB), cfb, "{wish:?}, CFB only");
        assert_eq!(chosen(wish, UNENCRYPTED), unencrypted, "{wish:?}, none");
        assert_eq!(chosen(wish, &[]), None, "{wish:?}, nothing allowed");
    }
}

/// What a server whose setting is `name` allows.
fn allowed(name: &str) -> Vec<CipherSuite> {
    match name {
        "any" => ANY.to_vec(),
        name => CipherWish::from_name(name).unwrap().exact_suites().to_vec(),
    }
}

/// Mode and key size of what a client gets: `G` for GCM, `C` for CFB, `-` for a refusal.
fn cell(wish: &str, setting: &str) -> &'static str {
    let wish = CipherWish::from_name(wish).unwrap();
    match chosen(wish, &allowed(setting)) {
        None => "-",
        Some(AuthOnly) => "none",
        Some(Aes128Gcm) => "G128",
        Some(Aes192Gcm) => "G192",
        Some(Aes256Gcm) => "G256",
        Some(Aes128Cfb) => "C128",
        Some(Aes192Cfb) => "C192",
        Some(Aes256Cfb) => "C256",
    }
}

#[test]
#[rustfmt::skip]
fn every_wish_meets_every_setting_of_a_server() {
    let settings = [
        "any", "none", "aes-128", "aes-192", "aes-256", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm",
        "aes-128-cfb", "aes-192-cfb", "aes-256-cfb",
    ];
    for (wish, row) in [
        ("none",      ["none", "none", "-", "-", "-", "-", "-", "-", "-", "-", "-"]),
        ("aes128",    ["G128", "-", "G128", "G192", "G256", "G128", "G192", "G256", "C128", "C192", "C256"]),
        ("aes192",    ["G192", "-", "-", "G192", "G256", "-", "G192", "G256", "-", "C192", "C256"]),
        ("aes256",    ["G256", "-", "-", "-", "G256", "-", "-", "G256", "-", "-", "C256"]),
        ("aes128gcm", ["G128", "-", "G128", "G192", "G256", "G128", "G192", "G256", "-", "-", "-"]),
        ("aes192gcm", ["G192", "-", "-", "G192", "G256", "-", "G192", "G256", "-", "-", "-"]),
        ("aes256gcm", ["G256", "-", "-", "-", "G256", "-", "-", "G256", "-", "-", "-"]),
        ("aes128cfb", ["C128", "-", "C128", "C192", "C256", "-", "-", "-", "C128", "C192", "C256"]),
        ("aes192cfb", ["C192", "-", "-", "C192", "C256", "-", "-", "-", "-", "C192", "C256"]),
        ("aes256cfb", ["C256", "-", "-", "-", "C256", "-", "-", "-", "-", "-", "C256"]),
    ] {
        for (setting, expected) in settings.into_iter().zip(row) {
            assert_eq!(cell(wish, setting), expected, "{wish} at a server with {setting}");
        }
    }
}

#[test]
fn a_key_is_never_shortened_and_a_mode_never_changed() {
    for bits in [B128, B192, B256] {
        for wish in [Aes(bits), AesGcm(bits), AesCfb(bits)] {
            let own = wish.exact_suites().first().copied();
            assert_eq!(wish.suites().first().copied(), own);
            assert!(!wish.suites().contains(&AuthOnly));
        }
    }
    assert!(
        AesGcm(B128)
            .suites()
            .iter()
            .all(|suite| GCM.contains(suite))
    );
    assert!(
        AesCfb(B128)
            .suites()
            .iter()
            .all(|suite| CFB.contains(suite))
    );
    assert_eq!(chosen(Aes(B256), &[Aes128Gcm, Aes128Cfb]), None);
}

#[test]
fn the_order_of_the_client_decides() {
    assert_eq!(choose(&[0x20, 0x10], ANY), Some(Aes128Cfb));
    assert_eq!(choose(&[0x10, 0x20], ANY), Some(Aes128Gcm));
}

#[test]
fn suites_of_the_future_are_passed_over() {
    assert_eq!(choose(&[0x30, 0xFF, 0x00, 0x12], ANY), Some(Aes256Gcm));
    assert_eq!(choose(&[0x30], ANY), None);
    assert_eq!(choose(&[], ANY), None);
}

#[test]
fn every_spelling_of_a_cipher_is_understood() {
    for (name, wish) in [
        ("none", CipherWish::None),
        ("aes128", Aes(B128)),
        ("aes-192", Aes(B192)),
        ("aes256", Aes(B256)),
        ("aes128gcm", AesGcm(B128)),
        ("aes-256-gcm", AesGcm(B256)),
        ("aes192cfb", AesCfb(B192)),
        ("aes-128-cfb", AesCfb(B128)),
    ] {
        assert_eq!(CipherWish::from_name(name), Some(wish), "{name}");
    }
    for name in [
        "",
        "aes",
        "aes12",
        "aes512",
        "aes128ctr",
        "AES128",
        "aes--128",
        "des",
        "aes128é",
    ] {
        assert_eq!(CipherWish::from_name(name), None, "{name}");
    }
}
