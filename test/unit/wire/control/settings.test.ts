import { describe, expect, it } from 'vitest'
import { ShoalError } from '../../../../src/base/errors.ts'
import {
  parseSetting,
  SETTING_KEYS,
  SETTINGS,
  settingKey,
  variableName
} from '../../../../src/wire/control/settings.ts'

describe('an endpoint', () => {
  it.each([
    ['0.0.0.0:7462', { host: '0.0.0.0', port: 7462 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['[fe80::1%eth0]:80', { host: 'fe80::1%eth0', port: 80 }],
    ['example.org:65535', { host: 'example.org', port: 65_535 }],
    ['localhost:1', { host: 'localhost', port: 1 }]
  ])('reads %s', (text, endpoint) => {
    expect(parseSetting('listen', text, '--listen')).toEqual(endpoint)
  })

  it.each([
    ...[
      '',
      ':',
      ':80',
      'host',
      'host:',
      'host:65536',
      'host:-1',
      'host:1e3',
      'host:80:90',
      '::1:80',
      '[::1]',
      '[host]:80'
    ],
    ...[
      '1.2.3:80',
      '1.2.3.256:80',
      '01.2.3.4:80',
      'a b:80',
      '-a:80',
      'a..b:80',
      'a/b:80',
      'host:80 ',
      'h'.repeat(254) + ':1'
    ]
  ])('refuses %j', text => {
    expect(() => parseSetting('listen', text, '--listen')).toThrow(ShoalError)
  })

  it('to advertise may leave the port out, or be none', () => {
    expect(parseSetting('advertise', 'example.org', 'x')).toEqual({ host: 'example.org', port: undefined })
    expect(parseSetting('advertise', '', 'x')).toBeUndefined()
    expect(() => parseSetting('advertise', 'example.org:0', 'x')).toThrow(/port 0/)
  })
})

describe('a setting', () => {
  it.each(SETTING_KEYS)('%s takes its own default', key => {
    const { fallback } = SETTINGS[key]
    if (fallback !== undefined) expect(() => parseSetting(key, fallback, 'default')).not.toThrow()
  })

  it('that is invalid is named with its place, its text and what is wrong', () => {
    expect(() => parseSetting('upload-slots', '65', 'SHOAL_UPLOAD_SLOTS')).toThrow(
      'SHOAL_UPLOAD_SLOTS: "65" is invalid: a number from 1 to 64'
    )
  })

  it.each(['0', '-1', '1.5', '1e1', '', 'many', '99999999999'])('upload-slots refuses %j', text => {
    expect(() => parseSetting('upload-slots', text, 'x')).toThrow(ShoalError)
  })

  it.each(['127.0.0.1:7463', '127.8.8.8:0', '[::1]:80', 'localhost:80'])('gateway takes %j', text => {
    expect(parseSetting('gateway', text, 'x')?.port).toBe(Number(text.split(':').at(-1)))
  })

  it.each(['0.0.0.0:80', '[::]:80', '192.168.1.1:80', 'example.org:80', 'localhost.evil:80', '127.0.0.1', ':80'])(
    'gateway refuses %j: only a loopback address',
    text => {
      expect(() => parseSetting('gateway', text, 'x')).toThrow(ShoalError)
    }
  )

  it('gateway is nowhere unless told otherwise', () => {
    expect(parseSetting('gateway', '', 'x')).toBeUndefined()
  })

  it.each(['', 'a\nb', 'a\u202eb', 'é'.repeat(32)])('name refuses %j', text => {
    expect(() => parseSetting('name', text, 'x')).toThrow(ShoalError)
  })

  it('name takes 63 bytes', () => {
    expect(parseSetting('name', 'é'.repeat(31) + 'a', 'x')).toBe('é'.repeat(31) + 'a')
  })

  it.each(['127.0.0.1:9100', '[::1]:0', 'localhost:9100', ''])('metrics-listen takes %j', text => {
    expect(() => parseSetting('metrics-listen', text, 'x')).not.toThrow()
  })

  it.each(['0.0.0.0:9100', '[::]:9100', '10.0.0.1:9100', 'example.org:9100', 'localhost', '127.0.0.1.example:1'])(
    'metrics-listen refuses %j',
    text => {
      expect(() => parseSetting('metrics-listen', text, 'x')).toThrow(ShoalError)
    }
  )

  it.each(['token', './token', '/to\0ken'])('metrics-token-file refuses %j', text => {
    expect(() => parseSetting('metrics-token-file', text, 'x')).toThrow(ShoalError)
  })

  it.each(['ticket-file', 'invite-file'] as const)('%s is a path from the root, or none', key => {
    expect(parseSetting(key, '/ticket/shoal', 'x')).toBe('/ticket/shoal')
    expect(parseSetting(key, '', 'x')).toBeUndefined()
    expect(() => parseSetting(key, 'ticket', 'x')).toThrow(/x: "ticket" is invalid: a path from the root/)
    expect(() => parseSetting(key, '/a\0b', 'x')).toThrow(ShoalError)
  })

  it('that does not exist is answered with those that do', () => {
    expect(() => settingKey('lissen')).toThrow(expect.objectContaining({ code: 'not-found' }))
    expect(() => settingKey('toString')).toThrow(expect.objectContaining({ code: 'not-found' }))
  })

  it('has a variable', () => {
    expect(SETTING_KEYS.map(variableName)).toEqual([
      ...['SHOAL_LISTEN', 'SHOAL_ADVERTISE', 'SHOAL_NAME', 'SHOAL_TICKET_FILE', 'SHOAL_INVITE_FILE'],
      ...['SHOAL_LOG_LEVEL', 'SHOAL_UPLOAD_SLOTS', 'SHOAL_GATEWAY', 'SHOAL_METRICS_LISTEN', 'SHOAL_METRICS_TOKEN_FILE']
    ])
  })
})
