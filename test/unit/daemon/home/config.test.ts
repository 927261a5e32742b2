import fs from 'node:fs'
import { describe, expect, it } from 'vitest'
import { configPath, keepSettings, resolveConfig, settingRow } from '../../../../src/daemon/home/config.ts'
import { temporaryFolder } from '../temporary.ts'

const usage: unknown = expect.objectContaining({ code: 'usage' })
const env = { SHOAL_LISTEN: '127.0.0.1:2' }
const flags = { listen: '127.0.0.1:1' }

describe('a setting comes from', () => {
  it('its flag, else its variable, else the file, else the default', () => {
    const home = temporaryFolder()
    const origin = (from: Parameters<typeof resolveConfig>[1]): string[] => {
      const row = settingRow(resolveConfig(home, { env: {}, ...from }), 'listen')
      return [row.origin, row.value]
    }
    expect(origin({})).toEqual(['default', '0.0.0.0:7462'])
    keepSettings(home, { listen: '127.0.0.1:3' })
    expect(origin({})).toEqual(['file', '127.0.0.1:3'])
    expect(origin({ env })).toEqual(['environment', '127.0.0.1:2'])
    expect(origin({ env, flags })).toEqual(['flag', '127.0.0.1:1'])
    expect(resolveConfig(home, { env, flags }).settings.listen).toEqual({ host: '127.0.0.1', port: 1 })
  })

  it('the next place when a variable is empty', () => {
    expect(settingRow(resolveConfig(temporaryFolder(), { env: { SHOAL_LISTEN: '' } }), 'listen').origin).toBe('default')
  })
})

describe('the config file', () => {
  it('keeps what was set and leaves the rest', () => {
    const home = temporaryFolder()
    keepSettings(home, { 'upload-slots': '3' })
    keepSettings(home, { name: 'cod' })
    expect(JSON.parse(fs.readFileSync(configPath(home), 'utf8'))).toEqual({ 'upload-slots': '3', name: 'cod' })
    expect(fs.statSync(configPath(home)).mode & 0o777).toBe(0o600)
    keepSettings(home, { 'upload-slots': undefined })
    expect(JSON.parse(fs.readFileSync(configPath(home), 'utf8'))).toEqual({ name: 'cod' })
    expect(fs.readdirSync(home)).toEqual(['config.json'])
  })

  it('is not written for a value that is invalid', () => {
    const home = temporaryFolder()
    expect(() => keepSettings(home, { listen: 'nowhere' })).toThrow(usage)
    expect(fs.existsSync(configPath(home))).toBe(false)
  })

  it('may hold numbers, as people write them', () => {
    const home = temporaryFolder()
    fs.writeFileSync(configPath(home), '{ "upload-slots": 5 }')
    expect(resolveConfig(home, { env: {} }).settings['upload-slots']).toBe(5)
  })

  it.each(['{"lissen":"x"}', '{"listen":null}', '{"listen":{}}', '[]', '{', ''])('that says %s is refused', text => {
    const home = temporaryFolder()
    fs.writeFileSync(configPath(home), text)
    expect(() => resolveConfig(home, { env: {} })).toThrow(expect.objectContaining({ code: 'bad-input' }))
  })

  it('with a value that is invalid is named, with the key', () => {
    const home = temporaryFolder()
    fs.writeFileSync(configPath(home), '{"listen":"x"}')
    expect(() => resolveConfig(home, { env: {} })).toThrow(/config\.json, "listen": "x" is invalid/)
  })
})

it('has a name by default', () => {
  expect(resolveConfig(temporaryFolder(), { env: {} }).settings.name).not.toBe('')
})
