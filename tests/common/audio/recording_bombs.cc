#include "tests/common/audio/recording_bombs.h"

#include <sndfile.h>

#include <limits>
#include <utility>

#include "tests/common/audio/make_recording.h"

namespace shoal::testing {
namespace {

constexpr uint8_t kFirst = 2, kLast = 4;

void AppendNumber(uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

std::string Floats(std::initializer_list<float> values) {
  std::string bytes;
  for (const float value : values) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return bytes;
}

// A page for each packet, all shorter than 255 bytes.
std::string OggOf(const std::vector<std::string>& packets, uint32_t serial, uint64_t granule) {
  std::string file;
  for (uint32_t i = 0; i < packets.size(); ++i) {
    const uint8_t flags = (i == 0 ? kFirst : 0) | (i + 1 == packets.size() ? kLast : 0);
    file += OggPage(flags, i < 2 ? 0 : granule, serial, i,
                    std::string(1, static_cast<char>(packets[i].size())), packets[i]);
  }
  return file;
}

std::string OpusHead(uint8_t channels, uint8_t family) {
  std::string head("OpusHead\x01", 9);
  head.push_back(static_cast<char>(channels));
  AppendNumber(312, 2, &head);    // samples to skip
  AppendNumber(48000, 4, &head);  // of the original
  AppendNumber(0, 2, &head);      // gain
  head.push_back(static_cast<char>(family));
  if (family != 0) {
    head.push_back(static_cast<char>(channels));  // streams
    head.push_back('\0');                         // of them coupled
    for (int i = 0; i < channels; ++i) head.push_back(static_cast<char>(i));
  }
  return head;
}

std::string OpusTags() {
  std::string tags = "OpusTags";
  AppendNumber(1, 4, &tags);
  tags += "x";
  AppendNumber(0, 4, &tags);
  return tags;
}

// Two bytes are six frames of 20 ms, all of them empty.
const std::string kOpusSilence("\xfb\x06", 2);

std::string OpusHours(double seconds) {
  std::string file = OggPage(kFirst, 0, 7, 0, "\x13", OpusHead(1, 0)) +
                     OggPage(0, 0, 7, 1, std::string(1, '\x11'), OpusTags());
  std::string body;
  for (int i = 0; i < 255; ++i) body += kOpusSilence;
  uint64_t granule = 0;
  for (uint32_t page = 2; static_cast<double>(granule) < seconds * 48000; ++page) {
    granule += 255 * 5760;
    file += OggPage(0, granule, 7, page, std::string(255, '\x02'), body);
  }
  return file;
}

std::string EmptyPages(size_t bytes) {
  std::string file = OggPage(kFirst, 0, 7, 0, "\x13", OpusHead(1, 0)) +
                     OggPage(0, 0, 7, 1, std::string(1, '\x11'), OpusTags());
  for (uint32_t page = 2; file.size() < bytes; ++page) file += OggPage(0, 0, 7, page, "", "");
  return file;
}

std::string VorbisIdentification(uint8_t channels, uint32_t rate) {
  std::string packet("\x01vorbis", 7);
  AppendNumber(0, 4, &packet);
  packet.push_back(static_cast<char>(channels));
  AppendNumber(rate, 4, &packet);
  AppendNumber(0, 8, &packet);
  AppendNumber(0, 4, &packet);  // bit rates
  packet += "\xb8\x01";         // block sizes, end
  return packet;
}

// A Vorbis file of this machine's encoder that claims other channels or another rate.
std::string ClaimingVorbis(uint8_t channels, uint32_t rate) {
  const std::string file =
      MakeRecording(SF_FORMAT_OGG | SF_FORMAT_VORBIS, 1, 24000, Tone(0.1, 24000));
  const std::string packet = VorbisIdentification(channels, rate);
  uint32_t serial = 0;
  for (int i = 3; i >= 0; --i) serial = serial << 8 | static_cast<uint8_t>(file[14 + i]);
  return OggPage(kFirst, 0, serial, 0, std::string(1, static_cast<char>(packet.size())), packet) +
         file.substr(58);
}

std::string FlacSilence(double seconds) {
  return MakeSilence(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1, 8000, seconds);
}

// STREAMINFO's 36 bits of samples.
std::string WithFlacSamples(std::string flac, uint64_t samples) {
  flac[21] = static_cast<char>((flac[21] & 0xf0) | (samples >> 32 & 0x0f));
  for (int i = 0; i < 4; ++i) flac[22 + i] = static_cast<char>(samples >> (24 - 8 * i));
  return flac;
}

// STREAMINFO alone, and a picture of 16 MB that is not there.
std::string FlacOfPicture() {
  return FlacSilence(0.1).substr(0, 42) + std::string("\x06\xff\xff\xff", 4) + "picture";
}

// The shortest frames of MPEG 2.5 layer III: 72 bytes at 8 kbit/s are 72 ms.
std::string Mp3Frames(double seconds) {
  std::string file;
  const std::string frame = std::string("\xff\xe3\x18\xc4", 4) + std::string(68, '\0');
  for (int i = 0; i < seconds / 0.072; ++i) file += frame;
  return file;
}

// A first frame that claims four billion others.
std::string Mp3OfManyFrames() {
  std::string info = std::string("\xff\xe3\x18\xc4", 4) + std::string(9, '\0') + "Xing";
  info += std::string("\0\0\0\x03\xff\xff\xff\xff\xff\xff\xff\xff", 12);
  info.resize(72);
  return info + Mp3Frames(0.5);
}

std::string Mp3OfLargeTag() {
  return std::string("ID3\x04\0\0\x7f\x7f\x7f\x7f", 10) + Mp3Frames(0.5);
}

}  // namespace

std::string OggPage(uint8_t flags, uint64_t granule, uint32_t serial, uint32_t sequence,
                    absl::string_view lacing, absl::string_view body) {
  std::string page("OggS\0", 5);
  page.push_back(static_cast<char>(flags));
  AppendNumber(granule, 8, &page);
  AppendNumber(serial, 4, &page);
  AppendNumber(sequence, 4, &page);
  AppendNumber(0, 4, &page);
  page.push_back(static_cast<char>(lacing.size()));
  page.append(lacing.data(), lacing.size());
  page.append(body.data(), body.size());
  uint32_t sum = 0;
  for (const char byte : page) {
    sum ^= uint32_t{static_cast<uint8_t>(byte)} << 24;
    for (int bit = 0; bit < 8; ++bit) sum = sum << 1 ^ ((sum >> 31) != 0 ? 0x04c11db7u : 0u);
  }
  for (int i = 0; i < 4; ++i) page[22 + i] = static_cast<char>(sum >> (8 * i));
  return page;
}

std::string ClaimingWav(uint16_t tag, uint16_t channels, uint32_t rate, uint16_t align,
                        uint16_t bits, uint32_t data_size, absl::string_view data) {
  std::string wav = "RIFF";
  AppendNumber(0xffffffff, 4, &wav);
  wav += "WAVEfmt ";
  AppendNumber(16, 4, &wav);
  AppendNumber(tag, 2, &wav);
  AppendNumber(channels, 2, &wav);
  AppendNumber(rate, 4, &wav);
  AppendNumber(uint64_t{rate} * align, 4, &wav);
  AppendNumber(align, 2, &wav);
  AppendNumber(bits, 2, &wav);
  wav += "data";
  AppendNumber(data_size, 4, &wav);
  wav.append(data.data(), data.size());
  return wav;
}

std::vector<Bomb> LargeFilesOfNothing(size_t bytes) {
  const auto repeat = [bytes](std::string file, const std::string& piece) {
    file.reserve(bytes + piece.size());
    while (file.size() < bytes) file += piece;
    return file;
  };
  const std::string flac = FlacSilence(0.1), mp3 = Mp3Frames(0.3);
  const std::string padding("\x01\0\0\0", 4), comment("\x04\0\0\x08\0\0\0\0\0\0\0\0", 12);
  const std::string tag = std::string("ID3\x04\0\0\0\0\0\x0a", 10) + "0123456789";
  // STREAMINFO is not the last of the blocks.
  const std::string info = flac.substr(0, 4) + '\0' + flac.substr(5, 37);
  return {{"mp3_zeros", repeat(mp3, std::string(1000, '\0'))},
          {"mp3_sync", repeat(mp3, std::string(1000, '\xff'))},
          {"mp3_tags", repeat(tag, tag) + mp3},
          {"flac_zeros", repeat(flac, std::string(1000, '\0'))},
          {"flac_sync", repeat(flac, std::string("\xff\xf8\x69\x08", 4))},
          {"flac_padding", repeat(WithFlacSamples(info, 0), padding)},
          {"flac_comments", repeat(WithFlacSamples(info, 0), comment)},
          {"opus_empty_pages", EmptyPages(bytes)}};
}

std::vector<Bomb> FalseClaims() {
  std::vector<Bomb> files = {{"mp3_many_frames", Mp3OfManyFrames()},
                             {"mp3_large_tag", Mp3OfLargeTag()}};
  for (const uint32_t claimed : {0xffffffffu, 0xfffffffeu, 0x7ffff000u}) {
    files.push_back({"wav_" + std::to_string(claimed),
                     ClaimingWav(1, 1, 24000, 2, 16, claimed, std::string(2000, '\1'))});
  }
  return files;
}

std::vector<Bomb> RecordingBombs(double seconds) {
  constexpr uint16_t kPcm = 1, kFloat = 3;
  constexpr uint32_t kStreamed = 0xffffffff;
  const std::string zeros(64, '\0');
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const std::string flac = FlacSilence(seconds), short_flac = FlacSilence(0.1);
  const std::string opus = OggOf({OpusHead(1, 0), OpusTags(), kOpusSilence}, 7, 5760);
  std::string chain;
  for (uint32_t i = 0; i < 200; ++i) {
    chain += OggOf({OpusHead(1, 0), OpusTags(), kOpusSilence}, i, 5760);
  }
  return {
      {"flac_hours", flac},
      {"flac_hours_undeclared", WithFlacSamples(flac, 0)},
      {"flac_claims_hours", WithFlacSamples(short_flac, (uint64_t{1} << 36) - 1)},
      {"flac_claims_more", WithFlacSamples(short_flac, 1600)},
      {"flac_picture", FlacOfPicture()},
      {"opus_hours", OpusHours(seconds)},
      {"opus_255_channels", OggPage(kFirst, 0, 7, 0, "\xff\x15", OpusHead(255, 255)) +
                                OggPage(0, 0, 7, 1, "\x11", OpusTags()) +
                                OggPage(kLast, 5760, 7, 2, "\x02", kOpusSilence)},
      {"opus_empty_pages", EmptyPages(500000)},
      {"opus_no_pages", OggOf({OpusHead(1, 0), OpusTags()}, 7, 0)},
      {"ogg_chain", chain},
      {"ogg_chain_of_two", opus + OggOf({OpusHead(1, 0), OpusTags(), kOpusSilence}, 8, 5760)},
      {"vorbis_255_channels", ClaimingVorbis(255, 24000)},
      {"vorbis_1_hz", ClaimingVorbis(1, 1)},
      {"vorbis_10_mhz", ClaimingVorbis(1, 10'000'000)},
      {"mp3_hours", Mp3Frames(seconds < 120 ? seconds : 120)},
      {"wav_255_channels", ClaimingWav(kPcm, 255, 24000, 510, 16, kStreamed, zeros)},
      {"wav_65535_channels", ClaimingWav(kPcm, 65535, 24000, 65535, 16, kStreamed, zeros)},
      {"wav_0_channels", ClaimingWav(kPcm, 0, 24000, 2, 16, 64, zeros)},
      {"wav_1_hz", ClaimingWav(kPcm, 1, 1, 2, 16, 64, zeros)},
      {"wav_10_mhz", ClaimingWav(kPcm, 1, 10'000'000, 2, 16, 64, zeros)},
      {"wav_0_hz", ClaimingWav(kPcm, 1, 0, 2, 16, 64, zeros)},
      {"wav_4_ghz", ClaimingWav(kPcm, 1, 0xffffffff, 2, 16, 64, zeros)},
      {"wav_claims_a_gigabyte", ClaimingWav(kPcm, 1, 24000, 2, 16, 1 << 30, zeros)},
      {"wav_nan", ClaimingWav(kFloat, 1, 24000, 4, 32, 12, Floats({0, nan, 0}))},
      {"wav_infinity", ClaimingWav(kFloat, 1, 24000, 4, 32, 12, Floats({0, -infinity, 0}))},
      {"wav_huge_samples", ClaimingWav(kFloat, 1, 24000, 4, 32, 8, Floats({0, 1e38f}))},
      {"wav_opposite_infinities",
       ClaimingWav(kFloat, 2, 24000, 8, 32, 8, Floats({infinity, -infinity}))},
  };
}

}  // namespace shoal::testing
